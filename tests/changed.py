"""Slow tests run when what they test has changed: which files differ from the branch that others work on.

``pytestmark = pytest.mark.subjects("ml/audit", "dbt_project")`` names the folders and files a slow module is
about. ``--changed`` (``make test``) leaves it out where neither they nor the module have changed; without it
(``make test-all``, and CI) everything runs.
"""

import subprocess
from collections.abc import Iterable

import pytest

from ml.common.paths import ROOT

MARKER = "subjects(*paths): a slow module that --changed leaves out unless one of these has changed"
UPSTREAM = "@{upstream}"


def git(*words: str) -> str | None:
    """What git says; None where it fails or is not there."""
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def changed_files() -> set[str] | None:
    """Files that differ from where the branch left its upstream, untracked ones too; None without git."""
    base = git("merge-base", "HEAD", UPSTREAM) or "HEAD"
    tracked, untracked = git("diff", "--name-only", base), git("ls-files", "--others", "--exclude-standard")
    if tracked is None or untracked is None:
        return None
    return {*tracked.splitlines(), *untracked.splitlines()}


def touches(changed: Iterable[str], subjects: Iterable[str]) -> bool:
    """Whether a changed file is one of the subjects, or lies below one."""
    return any(file == subject or file.startswith(f"{subject}/") for file in changed for subject in subjects)


def subjects_of(item: pytest.Item) -> list[str]:
    """What a slow test is about, and its own file; nothing for other tests."""
    marker = item.get_closest_marker("subjects")
    if marker is None:
        return []
    return [*marker.args, str(item.path.relative_to(ROOT))]


def split_items(
    items: list[pytest.Item], changed: set[str] | None
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests to run, and those to leave out."""
    if changed is None:
        return items, []
    run: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        subjects = subjects_of(item)
        (left_out if subjects and not touches(changed, subjects) else run).append(item)
    return run, left_out
