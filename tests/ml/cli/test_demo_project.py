"""The demo with raw tables of its own: its project lies in the home, and commands with that home use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.cli import use_project_of_home
from ml.common.paths import ROOT, is_project


def churn(*arguments: object, status: int = 0, **environment: str) -> str:
    """What a command prints, run outside any project."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHURN_")}
    done = subprocess.run(
        [sys.executable, "-m", "ml", *map(str, arguments)],
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("demo") / "home"
    text = churn("ingest", "--demo", "subscriptions", "--customers", 40, "--home", home)
    assert f"wrote the project of the demo to {home}/project" in text
    return home


def test_the_demo_is_ingested_in_a_project_of_its_own(home: Path) -> None:
    assert is_project(home / "project")
    tables = json.loads((home / "raw" / "current" / "load.json").read_text())["tables"]
    assert {name for name, rows in tables.items() if rows["accepted"]} == {
        "customers",
        "subscriptions",
        "payments",
        "usage",
        "support_tickets",
        "ticket_messages",
    }


def test_later_commands_with_that_home_use_its_project(home: Path) -> None:
    """By the option and by the variable; the project that is there is not written again."""
    (home / "project" / "problem.yml").write_text("horizont_days: 3\n")
    for options, variables in ((("--home", str(home)), {}), ((), {"CHURN_HOME": str(home)})):
        message = churn("build", *options, status=2, **variables)
        assert f"{home}/project/problem.yml" in message
    churn("ingest", "--demo", "subscriptions", "--customers", 40, "--home", home)
    assert (home / "project" / "problem.yml").read_text() == "horizont_days: 3\n"


def test_another_demo_is_refused_there(home: Path) -> None:
    message = churn("ingest", "--demo", "shop", "--home", home, status=2)
    assert "which is not that of shop: give another --home" in message


def test_a_project_that_is_named_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_PROJECT", str(ROOT))
    use_project_of_home(["build", "--home", str(home)])
    assert os.environ["CHURN_PROJECT"] == str(ROOT)
    monkeypatch.delenv("CHURN_PROJECT")
    use_project_of_home(["build", f"--home={home}"])
    assert os.environ["CHURN_PROJECT"] == str(home / "project")


def test_init_with_the_demo(tmp_path: Path) -> None:
    churn("init", tmp_path / "ours", "--demo", "subscriptions")
    assert "label: label_subscription_end" in (tmp_path / "ours" / "problem.yml").read_text()
    sources = (tmp_path / "ours" / "dbt_project" / "models" / "staging" / "sources.yml").read_text()
    assert sources.count("- name: subscriptions\n") == 1
