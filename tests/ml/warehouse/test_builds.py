"""churn builds: what was published when, whatever the age of a build's manifest."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.home.layout import Home
from ml.warehouse.list_builds import builds
from ml.warehouse.materialize import materialize
from tests.ml.three_builds import EARLIER, publish_next, train_next

MANIFEST = {
    "published_at": "2024-04-01T06:00:00Z",
    "kind": "incremental",
    "rows": {
        "int_customers": 1234,
        "int_cutoffs": 9,
        "feat_customer_orders": 7000,
        "feat_customer_profile": 500,
        "population_customers": 80,
        "label_customer_churn": 90,
    },
    "tests": {"passed": 101},
    "seconds": 12.5,
}
NEW = {
    "build_id": "build-000002",
    "current": True,
    "published_at": "2024-04-01T06:00:00Z",
    "replaces": "build-000001",
    "data_clock": "2024-03-01T10:11:12.987654Z",
    "load_id": "load-000002",
    "kind": "incremental",
    "rows": {"features": 7500, "labels": 90},
    "customers": 1234,
    "tests_passed": 101,
    "seconds": 12.5,
    "model_version": "model-000001",
    "models": {"problem": "model-000001"},
    "online_as_of": None,
}
OLD = {
    "build_id": "build-000001",
    "current": False,
    "published_at": None,
    "replaces": None,
    "data_clock": "2024-03-01T10:11:12.987654Z",
    "load_id": "load-000001",
    "kind": None,
    "rows": {"features": None, "labels": None},
    "customers": None,
    "tests_passed": None,
    "seconds": None,
    "model_version": None,
    "models": {},
    "online_as_of": "2024-03-01T10:11:12.500000Z",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A build as they were before they told so much, its values online, and one as they are now."""
    home = Home(tmp_path / "home")
    publish_next(home, 10)
    materialize(home=home, as_of=EARLIER)
    publish_next(home, 20, **MANIFEST)
    train_next(home)
    return home


def test_the_newest_first_and_what_is_not_known_is_none(home: Home) -> None:
    assert builds(home=home) == {"builds": [NEW, OLD]}


def test_a_damaged_card_and_what_is_no_build(home: Home) -> None:
    (home.builds / "build-000002" / "build.json").write_text("{")
    (home.builds / "build-000003").mkdir()
    (home.builds / "build-000000.removing").mkdir()
    (home.builds / "build-000000.removing" / "build.json").write_text("{}")
    models = {"model_version": "model-000001", "models": {"problem": "model-000001"}}
    known = {"build_id": "build-000002", "current": True} | models
    unknown = dict.fromkeys(NEW) | known | {"rows": OLD["rows"]}

    assert builds(home=home)["builds"] == [unknown, OLD]


def test_the_command(home: Home, tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        return CliRunner().invoke(main, ["builds", "--home", *arguments]).stdout

    assert json.loads(said(str(home.root), "--json")) == {"builds": [NEW, OLD]}
    lines = [" ".join(line.split()) for line in said(str(home.root)).splitlines()]
    assert lines[1:] == [
        "* build-000002 2024-04-01T06:00:00Z 2024-03-01T10:11:12.987654Z load-000002 incremental "
        "7,500 90 1,234 101 12.5 model-000001 -",
        "build-000001 - 2024-03-01T10:11:12.987654Z load-000001 - - - - - - - 2024-03-01T10:11:12.500000Z",
    ]
    assert said(str(tmp_path / "none")) == "nothing has been built yet: run 'churn build'\n"
    assert not (tmp_path / "none").exists()
