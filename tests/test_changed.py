"""Which slow tests ``--changed`` leaves out."""

import re
import subprocess
from pathlib import Path

import pytest

from ml.common.paths import ROOT
from tests import changed

TESTS = ROOT / "tests"
MARKED = re.compile(r"^pytestmark = pytest\.mark\.subjects\((.*?)\)$", re.MULTILINE | re.DOTALL)


def subjects() -> list[str]:
    """Every subject that a module names."""
    calls = [call for file in TESTS.rglob("test_*.py") for call in MARKED.findall(file.read_text())]
    return [name for call in calls for name in re.findall(r'"([^"]+)"', call)]


def test_each_subject_exists() -> None:
    assert len(subjects()) > 50
    assert [name for name in subjects() if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("files", "runs"),
    [
        ({"ml/audit/label_edges.py"}, True),
        ({"docs/own-tables.md"}, True),
        ({"tests/ml/audit/test_replay.py"}, True),
        ({"ml/auditing.py"}, False),
        ({"README.md", "docs/own-tables.md.orig"}, False),
        (set(), False),
    ],
)
def test_a_slow_test_runs_where_its_subject_or_its_file_changed(files: set[str], runs: bool) -> None:
    assert changed.touches(files, ["ml/audit", "docs/own-tables.md", "tests/ml/audit/test_replay.py"]) is runs


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one commit that its upstream has."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    monkeypatch.setattr(changed, "ROOT", clone)
    run(origin, "init", "--quiet", "--initial-branch", "main")
    (origin / "old.txt").write_text("old")
    commit(origin)
    run(tmp_path, "clone", "--quiet", str(origin), str(clone))
    return clone


def run(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, check=True)


def commit(folder: Path) -> None:
    run(folder, "add", "--all")
    run(folder, "commit", "--quiet", "--message", "a change")


def test_what_upstream_has_is_not_changed(repository: Path) -> None:
    assert changed.changed_files() == set()


def test_commits_of_the_branch_edits_and_new_files_are_changed(repository: Path) -> None:
    (repository / "committed.txt").write_text("new")
    commit(repository)
    (repository / "old.txt").write_text("edited")
    (repository / "untracked.txt").write_text("new")
    assert changed.changed_files() == {"committed.txt", "old.txt", "untracked.txt"}


def test_without_git_everything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "ROOT", tmp_path)
    assert changed.changed_files() is None
    assert changed.split_items(["item"], None) == (["item"], [])  # type: ignore[list-item]
