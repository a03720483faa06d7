"""churn doctor: ok, not yet or broken, with what to do, and the exit status that goes with it."""

import json
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.featurestore.catalog import read_catalog
from ml.featurestore.repository import open_store
from ml.home.layout import Home, set_challenger
from ml.home.publication import publish
from ml.model.model_files import manifest_hash
from ml.warehouse.materialize import materialize
from tests.ml.three_builds import EARLIER, publish_next
from tests.worlds import Built

NEW_HOME = {
    "raw data": ("not yet", "run 'churn ingest PATH'"),
    "build": ("not yet", "run 'churn build'"),
    "model": ("not yet", "run 'churn train'"),
    "online store": ("not yet", "run 'churn materialize'"),
}
STATES = {"python": "ok", "packages": "ok", "home": "ok", "problem": "ok"}
CHECKS = [*STATES, *NEW_HOME]


@pytest.fixture
def home(world: Built, tmp_path: Path) -> Path:
    """A home of one's own, with the load and the build of the random world."""
    return shutil.copytree(world.home, tmp_path / "home", symlinks=True)


@pytest.fixture
def trained_home(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A home of one's own with a model."""
    return shutil.copytree(trained[0], tmp_path / "trained", symlinks=True)


def examined(home: Path, *options: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit status, and state and detail of each check."""
    result = CliRunner().invoke(main, ["doctor", "--home", str(home), "--json", *options])
    answer = json.loads(result.stdout)
    assert [one["check"] for one in answer["checks"]] == CHECKS
    assert answer["healthy"] == (result.exit_code == 0)
    return result.exit_code, {one["check"]: (one["state"], one["detail"]) for one in answer["checks"]}


def test_a_new_home_is_healthy_and_says_what_comes_next(tmp_path: Path) -> None:
    status, found = examined(tmp_path / "new")
    assert status == 0
    assert {check: found[check] for check in NEW_HOME} == NEW_HOME
    assert {check: found[check][0] for check in STATES} == STATES
    assert not (tmp_path / "new").exists()


def test_a_home_in_a_folder_to_be_made_is_healthy(tmp_path: Path) -> None:
    status, found = examined(tmp_path / "to" / "be" / "made")
    assert (status, found["home"][0]) == (0, "ok")


def test_a_built_home(world: Built) -> None:
    status, found = examined(world.home)
    load = json.loads((world.home / "raw" / "current" / "load.json").read_text())
    read = sum(table["read"] for table in load["tables"].values())
    assert status == 0
    assert found["raw data"] == (
        "ok",
        f"load-000001: {read:,d} rows read, 0 rejected, data clock 2025-06-01T00:00:00Z",
    )
    features = len(read_catalog(world.build).feature_names)
    assert found["build"] == ("ok", f"build-000001: {features} features, data clock 2025-06-01T00:00:00Z")
    assert (found["model"], found["online store"]) == (NEW_HOME["model"], NEW_HOME["online store"])


def test_people_read_the_same(world: Built) -> None:
    result = CliRunner().invoke(main, ["doctor", "--home", str(world.home)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line[:8].strip() for line in lines] == ["ok"] * 6 + ["not yet"] * 2
    assert [line[9:22].strip() for line in lines] == CHECKS


def test_a_build_for_another_problem_is_to_be_made_again(world: Built, tmp_path: Path) -> None:
    (tmp_path / "problem.yml").write_text("horizon_days: 60\n")
    status, found = examined(world.home, "--problem", str(tmp_path / "problem.yml"))
    assert status == 0
    assert found["problem"] == ("ok", "no kept order within 60 days, among those active within 90")
    assert found["build"][0] == "not yet"
    assert found["build"][1].endswith("; the problem has changed since: run 'churn build'")


def test_a_build_of_older_raw_data_is_to_be_made_again(home: Path) -> None:
    raw = Home.at(home).raw
    publish(shutil.copytree(raw / "load-000001", raw / "load-000002"))
    status, found = examined(home)
    assert status == 0
    assert found["build"][0] == "not yet"
    assert found["build"][1].endswith("; raw data has come in since: run 'churn build'")


def test_an_unusable_problem_is_broken(world: Built, tmp_path: Path) -> None:
    status, found = examined(world.home, "--problem", str(tmp_path / "none.yml"))
    assert status == 1
    assert found["problem"][0] == "broken"
    assert found["problem"][1].startswith(f"{tmp_path / 'none.yml'}: there is no such file")


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("builds/current/catalog.json", "build"),
        ("builds/current/manifest.json", "build"),
        ("builds/current/build.json", "build"),
        ("raw/current/load.json", "raw data"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "cut off"])
def test_a_damaged_file_is_broken(how: str, damage: str, check: str, home: Path) -> None:
    if how == "missing":
        (home / damage).unlink()
    else:
        (home / damage).write_text((home / damage).read_text()[:20])
    status, found = examined(home)
    assert status == 1
    assert {name for name, (state, _) in found.items() if state == "broken"} == {check}
    assert (home / damage).name in found[check][1] or "churn build" in found[check][1]


def test_a_home_that_is_a_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, found = examined(tmp_path / "file" / "home")
    assert (status, found["home"][0]) == (1, "broken")


def test_too_little_room_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.warehouse.doctor.FREE_BYTES_WANTED", 10**18)
    status, found = examined(tmp_path)
    assert (status, found["home"][0]) == (1, "broken")
    assert found["home"][1].endswith(": make room")


def test_packages_that_do_not_fit_are_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["no-such-thing>=1", "duckdb==0.1", "click>=8", "redis>=99; extra == 'redis'"]
    monkeypatch.setattr("ml.warehouse.doctor.requires", lambda _: wanted)
    status, found = examined(tmp_path)
    assert (status, found["packages"][0]) == (1, "broken")
    assert found["packages"][1].startswith("no-such-thing is missing; duckdb ")
    assert found["packages"][1].endswith(" is not ==0.1: run 'make setup'")


def test_a_model_for_the_published_features(trained_home: Path) -> None:
    _, found = examined(trained_home)
    assert found["model"] == ("ok", "model-000001, trained on build-000001")


def test_a_challenger_is_named_beside_the_champion(trained_home: Path) -> None:
    home = Home.at(trained_home)
    (home.models / "model-000002").mkdir()
    set_challenger(home.current_build(), home.models / "model-000002")
    detail = "model-000001, trained on build-000001; challenger model-000002"
    assert examined(trained_home)[1]["model"] == ("ok", detail)


def test_a_model_for_other_features_is_broken(trained_home: Path) -> None:
    file = Home.at(trained_home).current_model() / "model.json"
    manifest = json.loads(file.read_text())
    manifest["definitions"]["spend_90d"] = "DOUBLE"
    file.write_text(json.dumps(manifest | {"card": manifest_hash(manifest)}))
    status, found = examined(trained_home)
    assert status == 1
    assert found["model"] == (
        "broken",
        "model-000001 was trained on other features than are published: run 'churn train'",
    )


def test_a_model_that_cannot_be_loaded_is_broken(trained_home: Path) -> None:
    file = Home.at(trained_home).current_model() / "pipeline.skops"
    file.write_bytes(b"no model")
    status, found = examined(trained_home)
    fault = f"{file} is not the file that training wrote: run 'churn train' again, or restore it"
    assert (status, found["model"]) == (1, ("broken", fault))


def online_store(home: Path) -> tuple[str, str]:
    return examined(home)[1]["online store"]


def test_the_online_store_says_which_build_it_holds_and_of_when(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    publish_next(home, 10)
    materialize(home=home)
    state, detail = online_store(home.root)
    assert (state, detail.rsplit(", ", 1)[0]) == ("ok", "build-000001 as of 2024-03-01T10:11:12.987654Z")

    publish_next(home, 20)
    assert online_store(home.root) == (
        "not yet",
        "build-000001 as of 2024-03-01T10:11:12.987654Z, but build-000002 is the current build: "
        "run 'churn materialize'",
    )


def test_an_online_store_that_is_none_is_broken(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    publish_next(home, 10)
    materialize(home=home)
    for file in home.feast.glob("online_store.db*"):
        file.write_text("no database" * 1000)
    assert online_store(home.root) == (
        "broken",
        f"{home.feast / 'online_store.db'} is damaged (file is not a database): delete it with its -wal and "
        "-shm, then run 'churn materialize'",
    )


def test_values_as_of_another_instant_than_the_data_clock_are_shown(tmp_path: Path) -> None:
    """Of an earlier one by ``churn materialize --as-of``, of a later one by Feast's own command."""
    home = Home(tmp_path / "home")
    publish_next(home, 10)
    clock = "but its data clock is 2024-03-01T10:11:12.987654Z: run 'churn materialize'"
    materialize(home=home, as_of=EARLIER)
    assert online_store(home.root) == (
        "not yet",
        f"build-000001 as of 2024-03-01T10:11:12.500000Z, {clock}",
    )
    open_store(home.root).materialize_incremental(datetime(2024, 3, 31, tzinfo=UTC))
    assert online_store(home.root) == ("not yet", f"build-000001 as of 2024-03-31T00:00:00Z, {clock}")

    store = sqlite3.connect(home.feast / "online_store.db")
    with store:
        store.execute(
            "update materialized set until = '2024-03-01T10:11:12.987654' where view like '%orders'"
        )
    both = "build-000001 as of 2024-03-01T10:11:12.987654Z and build-000001 as of 2024-03-31T00:00:00Z"
    assert online_store(home.root) == ("not yet", f"{both}, {clock}")
    with store:
        store.execute("delete from materialized where view like '%profile'")
    store.close()
    assert online_store(home.root) == (
        "not yet",
        "build-000001 as of 2024-03-01T10:11:12.987654Z, but feat_customer_profile not at all: "
        "run 'churn materialize'",
    )


@pytest.mark.parametrize("how", ["gone", "empty", "torn"])
def test_a_build_without_all_its_features_is_broken(home: Path, how: str) -> None:
    folder = Home.at(home).current_build() / "features" / "feat_customer_support"
    files = sorted(folder.glob("*.parquet"))
    if how == "torn":
        files[-1].write_bytes(files[-1].read_bytes()[:100])
    elif how == "gone":
        shutil.rmtree(folder)
    else:
        for file in files:
            file.unlink()
    fault = f"{files[-1]} is damaged" if how == "torn" else f"{folder} has no files"
    status, found = examined(home)
    assert (status, found["build"]) == (1, ("broken", f"{fault}: run 'churn build --full-refresh'"))
