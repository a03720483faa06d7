"""problem.yml: what is read, and the sentence for each way to get it wrong."""

from pathlib import Path

import pytest

from ml.errors import ProblemError
from ml.problem import Problem, from_values, read_problem


def written(folder: Path, text: str) -> Path:
    file = folder / "problem.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_file_in_the_repository_states_the_defaults() -> None:
    assert read_problem() == Problem()


def test_keys_left_out_take_their_defaults(tmp_path: Path) -> None:
    problem = read_problem(written(tmp_path, "horizon_days: 45\nthreshold: {rule: fixed, value: 0.25}\n"))
    assert (problem.horizon_days, problem.threshold.rule, problem.threshold.value) == (45, "fixed", 0.25)
    assert problem.active_within_days == 90
    assert problem.gap_days == 45


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert read_problem(written(tmp_path, "# nothing\n")) == Problem()


def test_plain_values_come_back_as_the_same_problem() -> None:
    assert from_values(Problem(seed=3).as_dict()) == Problem(seed=3)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("seed: 1\nhorizn_days: 30\n", 2, "unknown key horizn_days; did you mean horizon_days?"),
        ("threshold:\n  rule: fixed\n  valu: 0.5\n", 3, "unknown key threshold.valu; did you mean value?"),
        ("horizon_days: thirty\n", 1, "horizon_days is 'thirty'; it must be a whole number from 1 to 3650"),
        ("horizon_days: true\n", 1, "horizon_days is True"),
        ("horizon_days: 30.5\n", 1, "horizon_days is 30.5"),
        ("\n\nhorizon_days: 0\n", 3, "horizon_days is 0"),
        ("label_delay_days: -1\n", 1, "label_delay_days is -1"),
        ("metric: accuracy\n", 1, "one of log_loss, brier, roc_auc, average_precision"),
        ("threshold: {rule: recall_at_least, value: 1.2}\n", 1, "threshold.value is 1.2"),
        ("threshold: 0.5\n", 1, "threshold must be a mapping"),
        ("bands:\n  medium: 0.6\n  high: 0.5\n", 3, "bands.high must be above bands.medium (0.6)"),
        ("seed: 1\nsplit: {validation: 0.5, test: 0.5}\n", 2, "leave nothing to train on"),
        ("seed: 1\nseed: 2\n", 2, "seed is given twice"),
        ("baseline: []\n", 1, "a list of one or more feature names"),
        ("- 1\n", 1, "the file must be a mapping"),
        ("seed: 1\nsplit: {test: 0.2\n", 3, "is no YAML"),
    ],
)
def test_an_error_names_file_line_and_remedy(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ProblemError) as caught:
        read_problem(file)
    assert str(caught.value).startswith(f"{file}, line {line}: ")
    assert words in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="there is no such file; name one with --problem FILE"):
        read_problem(tmp_path / "none.yml")
