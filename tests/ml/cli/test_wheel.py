"""The wheel has all it needs: from an empty folder to a published build, with nothing of the clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.common.paths import CODE, is_project, project_root
from ml.config.project import FILES

pytestmark = pytest.mark.subjects("pyproject.toml", "ml/common/paths.py", "ml/cli")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    made = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(CODE)]
    subprocess.run(made, check=True, capture_output=True)
    (wheel,) = folder.glob("tidemark-*.whl")
    installed = [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)]
    subprocess.run(installed, check=True, capture_output=True)
    return folder / "site"


def churn(site: Path, working: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the wheel, in a folder of its own."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("CHURN_")}
    return subprocess.run(
        [sys.executable, "-m", "ml", *words],
        cwd=working,
        env=environment | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_from_an_empty_folder_to_a_build(site: Path, tmp_path: Path) -> None:
    made = churn(site, tmp_path, "init", "ours")
    assert made.returncode == 0, made.stderr
    ours = tmp_path / "ours"
    assert {path.name for path in ours.iterdir()} == set(FILES)
    again = churn(site, tmp_path, "init", "ours")
    assert again.returncode == 2
    assert again.stderr == (
        f"churn: {ours} has dbt_project, feature_repo, problem.yml, actions.yml, monitor.yml already: "
        "give another folder, nothing was written\n"
    )
    for words in (("ingest", "--demo", "shop", "--customers", "60"), ("build",)):
        ran = churn(site, ours / "dbt_project", *words)
        assert ran.returncode == 0, ran.stderr
    assert (ours / "var" / "builds" / "current" / "build.json").is_file()
    assert not (site / "ml" / "project" / "dbt_project" / "target").exists()


def test_the_project_is_the_stated_one_else_the_nearest_else_the_one_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHURN_PROJECT", raising=False)
    inner = tmp_path / "ours" / "notebooks"
    inner.mkdir(parents=True)
    assert project_root(inner) == CODE
    for mark in ("dbt_project/dbt_project.yml", "feature_repo/feature_store.yaml", "problem.yml"):
        assert not is_project(tmp_path / "ours")
        (tmp_path / "ours" / mark).parent.mkdir(exist_ok=True)
        (tmp_path / "ours" / mark).touch()
    assert project_root(inner) == tmp_path / "ours"
    monkeypatch.setenv("CHURN_PROJECT", str(tmp_path / "stated"))
    assert project_root(inner) == tmp_path / "stated"
