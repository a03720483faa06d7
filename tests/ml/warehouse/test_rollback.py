"""churn rollback: build, model and online values go back together, again and again, or stay as they were."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.common.paths import registry_file
from ml.featurestore.online.status import online_builds
from ml.home.layout import Home, model_of, set_model
from ml.home.publication import publish, publish_build
from ml.warehouse.materialize import materialize
from ml.warehouse.rollback import rollback
from tests.ml.featurestore.retrieve_rows import offline, online
from tests.ml.three_builds import CLOCK, EARLIER, EVERYBODY, make_three, publish_next, train_next


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("three") / "home"
    make_three(Home(root))
    return root


@pytest.fixture
def home(three: Path) -> Any:
    """The home with three builds where it was made, for the stores know their path; put back afterwards."""
    spare = three.with_name("spare")
    shutil.copytree(three, spare, symlinks=True)
    yield Home(three)
    shutil.rmtree(three)
    spare.rename(three)


def asked(home: Home, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["rollback", "--home", str(home.root), *arguments])


def state(home: Home) -> dict[str, Any]:
    """All that going back changes, as readers see it."""
    return {
        "build": home.current_build().name,
        "model": home.current_model().name,
        "held": online_builds(home.root),
        "registered": registered(home),
        "orders": [row["orders_30d"] for row in online(home.root, EVERYBODY, CLOCK)],
    }


def registered(home: Home) -> set[str]:
    """The builds that the registry describes."""
    from ml.featurestore.repository import open_store

    views = open_store(home.root).list_batch_feature_views()
    return {Path(view.batch_source.path).parents[1].name for view in views}


FIRST = {
    "build": "build-000001",
    "model": "model-000001",
    "held": {"build-000001": CLOCK},
    "registered": {"build-000001"},
    "orders": [12, 10, 10],
}
SECOND = {
    "build": "build-000002",
    "model": "model-000001",
    "held": {"build-000002": EARLIER},
    "registered": {"build-000002"},
    "orders": [21, 20, 20],
}
THIRD = {
    "build": "build-000003",
    "model": "model-000002",
    "held": {"build-000003": CLOCK},
    "registered": {"build-000003"},
    "orders": [32, 30, 30],
}


def test_back_twice_forward_again_and_no_further_than_the_first(home: Home) -> None:
    assert state(home) == THIRD
    result = rollback(home=home)
    assert state(home) == SECOND
    assert online(home.root, EVERYBODY, EARLIER) == offline(home.root, EVERYBODY, EARLIER)
    assert (result["before"], result["build_id"], result["model_version"], result["model_fits"]) == (
        "build-000003",
        "build-000002",
        "model-000001",
        True,
    )
    assert result["online"]["views"]["feat_customer_orders"] == {"customers": 3, "rows": 6}

    rollback(home=home)
    assert state(home) == FIRST
    none_left = asked(home)
    assert (none_left.exit_code, none_left.stderr) == (
        1,
        "churn: no build before build-000001 is kept: there is nothing to go back to\n",
    )
    rollback("build-000003", home=home)
    assert state(home) == THIRD


def test_a_build_that_is_not_there_is_refused_with_those_that_are(home: Home) -> None:
    result = asked(home, "build-000009")
    assert (result.exit_code, result.stderr) == (
        2,
        "churn: there is no build build-000009: give one of build-000003, build-000002, build-000001\n",
    )
    assert state(home) == THIRD


def test_the_command_says_what_is_current_now(home: Home) -> None:
    assert asked(home).stdout == (
        "build-000002 is current again, instead of build-000003: data clock 2024-03-01T10:11:12.987654Z, "
        "model-000001\n"
        "its values are online as of 2024-03-01T10:11:12.500000Z\n"
    )
    result = json.loads(asked(home, "build-000002", "--json").stdout)
    assert (result["before"], result["build_id"], result["notes"]) == ("build-000002", "build-000002", [])


def test_the_build_after_going_back_replaces_the_build_gone_back_to(home: Home) -> None:
    from ml.warehouse.build_steps import lineage_of

    rollback("build-000001", home=home)
    assert lineage_of(home) == {"replaces": "build-000001", "lineage": ["build-000001"]}

    publish_next(home, 40, **lineage_of(home))
    assert home.current_build().name == "build-000004"
    assert rollback(home=home)["build_id"] == "build-000001"


def test_when_the_build_before_is_gone_the_next_of_its_line_is_taken(home: Home) -> None:
    shutil.rmtree(home.builds / "build-000002")
    assert rollback(home=home)["build_id"] == "build-000001"


def test_builds_that_know_no_line_go_back_by_number(home: Home) -> None:
    for build in home.published_builds():
        manifest = json.loads((build / "build.json").read_text())
        kept = {key: manifest[key] for key in ("build_id", "load_id", "data_clock")}
        (build / "build.json").write_text(json.dumps(kept))
    assert rollback(home=home)["build_id"] == "build-000002"


def test_from_a_damaged_build_one_can_go_back_but_not_to_one(home: Home) -> None:
    (home.builds / "build-000003" / "build.json").write_text("{")
    rollback(home=home)
    assert state(home) == SECOND
    result = asked(home, "build-000003")
    assert (result.exit_code, "build-000003 is damaged" in result.stderr) == (1, True)

    (home.builds / "build-000001" / "manifest.json").write_text("{")
    assert asked(home).exit_code == 1
    assert state(home) == SECOND


def test_values_never_online_are_put_there_as_of_the_data_clock(home: Home) -> None:
    publish_next(home, 40)
    publish_next(home, 50)
    assert state(home)["orders"] == THIRD["orders"]

    rollback(home=home)
    assert state(home)["held"] == {"build-000004": CLOCK}
    assert state(home)["orders"] == [42, 40, 40]


def test_without_anything_of_feast_none_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    publish_next(home, 10)
    publish_next(home, 20)
    result = rollback(home=home)

    assert (result["online"], home.current_build().name) == (None, "build-000001")
    assert result["notes"] == ["no model goes with build-000001: run 'churn train'"]
    assert not home.feast.exists()


def test_a_registry_alone_describes_the_build_gone_back_to(tmp_path: Path) -> None:
    from ml.featurestore.repository import apply_definitions, open_store

    home = Home(tmp_path / "home")
    publish_next(home, 10)
    publish_next(home, 20, wider=True)
    apply_definitions(open_store(home.root), home.root)
    result = rollback(home=home)

    assert (result["online"], registered(home)) == (None, {"build-000001"})
    assert online_builds(home.root) == {}


def test_a_model_of_other_features_is_said(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    publish_next(home, 10)
    publish_next(home, 20, wider=True)
    train_next(home)
    set_model(home.builds / "build-000001", home.current_model())
    result = rollback(home=home)

    assert (result["model_version"], result["model_fits"]) == ("model-000001", False)
    assert result["notes"] == [
        "model-000001 was trained on other features than build-000001 has: run 'churn train'"
    ]


def test_raw_data_stays_and_that_is_said(home: Home) -> None:
    (home.raw / "load-000003").mkdir(parents=True)
    (home.raw / "current").symlink_to("load-000003")
    assert rollback(home=home)["notes"] == [
        "raw data stays load-000003, not load-000002: the next 'churn build' builds load-000003 again"
    ]
    assert home.current_load().name == "load-000003"


def fail(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def fails(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patched: patched.setattr(name, fail)


def fails_after(name: str, module: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """What fails just after it was done."""
    done = getattr(module, name)

    def do_and_fail(*given: object, **named: object) -> None:
        done(*given, **named)
        fail()

    return lambda patched: patched.setattr(module, name, do_and_fail)


class FullAtCommit(sqlite3.Connection):
    """A database whose disk is full when a transaction is to be committed."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "commit":
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *parameters)


def full_at_commit(patched: pytest.MonkeyPatch) -> None:
    connect = partial(sqlite3.connect, factory=FullAtCommit)
    patched.setattr("ml.featurestore.online.sqlite_backend.sqlite3.connect", connect)


def faults() -> dict[str, Callable[[pytest.MonkeyPatch], None]]:
    """One fault for each step of going back."""
    import ml.common.durable_files
    import ml.warehouse.materialize

    return {
        "before anything is written": fails("ml.warehouse.rollback.write_online"),
        "while the definitions are applied": fails("ml.featurestore.repository.feast_objects"),
        "when the values are written": fails_after("reconcile", ml.warehouse.materialize),
        "when the registry is written": fails("ml.featurestore.registry.store.replace_file"),
        "once the registry is written": fails_after("sync_folder", ml.common.durable_files),
        "when readers are switched over": fails("ml.home.layout.os.replace"),
        "once readers are switched over": fails_once_switched,
        "when the values are committed": full_at_commit,
    }


def fails_once_switched(patched: pytest.MonkeyPatch) -> None:
    calls = iter(["fail"])

    def switch(folder: Path) -> None:
        publish(folder)
        if next(calls, None):
            fail()

    patched.setattr("ml.warehouse.rollback.publish", switch)


def test_a_full_disk_is_one_sentence(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        full_at_commit(patched)
        result = asked(home)
    assert (result.exit_code, result.stderr) == (
        1,
        f"churn: a database in {home.root} cannot be used (database or disk is full): free some space on its "
        "disk, then try again; 'churn doctor' says what is there\n",
    )
    assert state(home) == THIRD


@pytest.mark.parametrize("fault", faults())
def test_a_failure_at_any_step_leaves_everything_as_it_was(
    fault: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = registry_file(home.root).read_bytes()
    with monkeypatch.context() as patched:
        faults()[fault](patched)
        with pytest.raises((OSError, sqlite3.OperationalError), match=r"full|No space"):
            rollback(home=home)

    assert registry_file(home.root).read_bytes() == registry
    assert state(home) == THIRD
    rollback(home=home)
    assert state(home) == SECOND


KILLED = """
    import os, signal
    import ml.common.durable_files, ml.home.publication, ml.warehouse.materialize, ml.warehouse.rollback

    def kill(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def switched(folder):
        ml.home.publication.publish(folder)
        kill()

    {planted}
    ml.warehouse.rollback.rollback(home={home!r})
"""


@pytest.mark.parametrize(
    ("planted", "left"),
    [
        ("ml.warehouse.materialize.reconcile = kill", THIRD),
        ("ml.common.durable_files.sync_folder = kill", THIRD | {"registered": {"build-000002"}}),
        (
            "ml.warehouse.rollback.publish = switched",
            SECOND | {"held": THIRD["held"], "orders": THIRD["orders"]},
        ),
    ],
)
def test_the_same_command_finishes_what_a_kill_left(planted: str, left: dict[str, Any], home: Home) -> None:
    program = textwrap.dedent(KILLED).format(planted=planted, home=str(home.root))
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    assert state(home) == left

    rollback(home=home)
    assert state(home) == SECOND


def test_a_reader_that_stays_goes_on_while_builds_come_and_go(home: Home) -> None:
    from ml.featurestore.online.read import OnlineReader

    reader = OnlineReader(home.root)

    def orders() -> list[int]:
        return [row["orders_30d"] for row in reader.features(EVERYBODY, CLOCK)]

    assert orders() == THIRD["orders"]
    folder = publish_next(home, 40, wider=True, keep=1)
    assert [build.name for build in home.published_builds()] == [folder.name]
    assert orders() == THIRD["orders"]

    materialize(home=home)
    assert orders() == [42, 40, 40]
    assert [row["quick"] for row in reader.features(["ann"], CLOCK)] == [2 / 42]
    shutil.rmtree(home.builds)
    assert orders() == [42, 40, 40]


READER = """
import sys
from datetime import datetime
from pathlib import Path
from ml.featurestore.online.read import OnlineReader

home, asked_at = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
reader = OnlineReader(home)
print("ready", flush=True)
while not (home / "stop").exists():
    row, = reader.features(["ann"], asked_at)
    print(row["orders_30d"], row.get("orders_7d", "none"), "quick" in row, flush=True)
"""


def test_a_reader_in_another_process_sees_one_build_or_the_other(tmp_path: Path) -> None:
    """Though one has columns that the other lacks."""
    home = Home(tmp_path / "home")
    publish_next(home, 10)
    publish_next(home, 20, wider=True)
    materialize(home=home)
    command = [sys.executable, "-c", READER, str(home.root), CLOCK.isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for name in ("build-000001", "build-000002", "build-000001"):
            rollback(name, home=home)
        (home.root / "stop").touch()
        said, errors = reader.communicate()

    assert (reader.returncode, errors) == (0, "")
    assert set(said.splitlines()) == {"22 2 True", "12 none False"}


def test_two_at_once_end_with_one_refusal(home: Home) -> None:
    with home.writing("build"):
        result = asked(home)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"churn: 'churn build' (process {os.getpid()}) is writing to {home.root}")
    assert state(home) == THIRD


def test_models_go_with_builds_that_take_over_from_the_one_gone_back_to(home: Home) -> None:
    rollback("build-000001", home=home)
    folder = publish_next(home, 40)
    assert model_of(folder).name == "model-000001"
    publish_build(home, home.builds / "build-000003", 9)
    assert home.current_model().name == "model-000002"
