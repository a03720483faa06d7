"""Pages under docs: each is in the index, what they name exists, and the tutorial shows what comes out."""

import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml.home.layout import ROOT

DOCS = ROOT / "docs"
CALL = re.compile(r"`(ml(?:\.\w+)+)\(([^)`]*)\)`")
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w/.-]+\.md)\)", (DOCS / "index.md").read_text()))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"index.md"}
    assert pages - linked == set()


def test_every_function_of_the_python_api_exists_with_its_parameters() -> None:
    calls = CALL.findall((DOCS / "python-api.md").read_text())
    assert len(calls) > 10
    for name, listed in calls:
        module, _, attribute = name.rpartition(".")
        function = getattr(importlib.import_module(module), attribute)
        words = {word.strip().rstrip("=") for word in listed.split(",") if word.strip()}
        assert words - set(inspect.signature(function).parameters) - {"pipeline"} == set(), name


def test_every_file_of_the_map_exists() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## I want to change X")[2]
    files = re.findall(r"`((?:ml|dbt_project|tests|feature_repo)(?:/[\w./]+)?)`", table)
    assert len(files) > 25
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_variable_of_the_environment_is_documented() -> None:
    folders = (
        ("ml", "*.py"),
        ("tests", "*.py"),
        ("dbt_project/models", "*.yml"),
        ("dbt_project/macros", "*.sql"),
    )
    files = [path for folder, names in folders for path in (ROOT / folder).rglob(names)]
    files += [ROOT / "dbt_project" / "profiles.yml"]
    read = {name for path in files for name in re.findall(r"[\"'](CHURN_[A-Z_]+)[\"']", path.read_text())}
    documented = set(re.findall(r"^\| `(\w+)`", (DOCS / "settings.md").read_text(), re.MULTILINE))
    assert len(read) >= 7
    assert read - documented == set()
    assert {name for name in documented if name.startswith("CHURN_")} - read == set()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text()) < 10_000


@pytest.mark.subjects("docs/tutorial.md", "ml/cli", "ml/demos")
def test_the_tutorial_runs_and_shows_what_comes_out(tmp_path: Path) -> None:
    blocks = BLOCK.findall((DOCS / "tutorial.md").read_text())
    shown = [text for language, text in blocks if language == "text"]
    script = "".join(text for language, text in blocks if language == "sh")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("NOT TESTED: there is no bash to run the tutorial with")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    ran = subprocess.run(
        [bash, "-e", "-c", script],
        cwd=tmp_path,
        env={"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert len(shown) == 1
    assert shown[0] in ran.stdout
    assert len((tmp_path / "scores.csv").read_text().splitlines()) > 50
