"""The name of a problem: that of its file, or the one the file states."""

from pathlib import Path

import pytest

from ml.common.errors import ProblemError
from ml.config.problem import read_problem


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("problem.yml", "{}", "problem"),
        ("customer value.2026.yml", "{}", "customer-value-2026"),
        ("problem.yml", "name: value_90", "value_90"),
    ],
)
def test_the_name_is_that_of_the_file_unless_stated(tmp_path: Path, file: str, text: str, name: str) -> None:
    (tmp_path / file).write_text(text + "\n")
    assert read_problem(tmp_path / file).name == name


def test_a_name_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "problem.yml").write_text("name: ../value\n")
    with pytest.raises(
        ProblemError, match=r"problem\.yml.*line 1.*name is '../value'; .*letters, digits, - and _"
    ):
        read_problem(tmp_path / "problem.yml")
