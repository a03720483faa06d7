"""What increments put online equals what the build's own rows say at that instant, row by row, in Python."""

import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.featurestore import increments as changes
from ml.featurestore.online import compute_engine
from ml.featurestore.online.store import WholeRowOnlineStore
from ml.featurestore.repository import apply_definitions, open_store
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.warehouse import build, increment
from ml.warehouse.materialize import materialize
from tests.ml.warehouse.extracts import add, at_random
from tests.reference.worlds import random_world

pytestmark = pytest.mark.subjects("ml/warehouse", "ml/featurestore/online")

VIEWS = ("engagement", "orders", "profile", "support")
LATER = timedelta(days=45)


def online(home: Path) -> dict[str, dict[str, tuple[Any, ...]]]:
    """View -> customer -> the kept row."""
    with sqlite3.connect(home / "feast" / "online_store.db") as store:
        found = {}
        for view in VIEWS:
            cursor = store.execute(f"select * from feat_customer_{view}")
            names = [column[0] for column in cursor.description]
            found[view] = {
                row["customer_id"]: {name: row[name] for name in names if not name.startswith("__")}
                for row in (dict(zip(names, values, strict=True)) for values in cursor)
            }
    return found


def offline(built: Path, instant: datetime) -> dict[str, dict[str, Any]]:
    """The same by looking at every row of the build."""
    found: dict[str, dict[str, Any]] = {}
    for view in VIEWS:
        cursor = duckdb.sql(f"select * from read_parquet('{built}/features/feat_customer_{view}/*.parquet')")
        last: dict[str, dict[str, Any]] = {}
        for values in cursor.fetchall():
            row = dict(zip(cursor.columns, values, strict=True))
            if row["event_timestamp"] <= instant:
                before = last.get(row["customer_id"])
                if before is None or before["event_timestamp"] < row["event_timestamp"]:
                    last[row["customer_id"]] = row
        found[view] = {
            who: {name: carried(value) for name, value in row.items()} for who, row in last.items()
        }
    return found


def carried(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else value


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How rows are written from now on, and whose: ``load`` is a whole table, ``write`` an increment."""
    noted: list[str] = []
    for way in ("load", "write"):
        monkeypatch.setattr(WholeRowOnlineStore, way, noting(way, noted))
    return noted


def noting(way: str, noted: list[str]) -> Any:
    write = getattr(WholeRowOnlineStore, way)

    def note(self, config, view, rows):
        rows = list(rows)
        noted.extend(f"{way} {row[0]}" for row in rows)
        write(self, config, view, iter(rows))

    return note


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(increment, "TOUCHED_SHARE_MAX", 1.0)
    monkeypatch.setenv("CHURN_KEEP_BUILDS", "2")
    # with a seed by which no copy makes the last order known earlier: then everything is made anew
    return at_random(random_world(31, customers=60), 4, seed=4)


def test_increments_over_several_builds(tmp_path: Path, worlds: list[Any], written: list[str]) -> None:
    """Late rows, new customers, restated ones; a build skipped; and rows to come online before their time."""
    home = tmp_path / "home"
    kinds = [add(home, tmp_path / f"raw-{number}", world)["kind"] for number, world in enumerate(worlds[:1])]
    materialize(home=home)
    assert {entry.split()[0] for entry in written} == {"load"}

    written.clear()
    kinds += [
        add(home, tmp_path / f"raw-{number + 1}", world)["kind"] for number, world in enumerate(worlds[1:3])
    ]
    assert kinds == ["full", "incremental", "incremental"]
    result = materialize(home=home)
    present = Home.at(home).current_build()
    expected = offline(present, data_clock(present))
    assert online(home) == expected
    assert {entry.split()[0] for entry in written} == {"write"}
    assert len(written) < sum(map(len, expected.values()))
    assert {view: counts["customers"] for view, counts in result["views"].items()} == {
        f"feat_customer_{view}": len(rows) for view, rows in expected.items()
    }

    ahead = data_clock(present) + LATER
    open_store(home).materialize_incremental(ahead.replace(tzinfo=UTC))
    assert online(home) == offline(present, ahead)

    assert add(home, tmp_path / "raw-last", worlds[3])["kind"] == "incremental"
    present = Home.at(home).current_build()
    store = open_store(home)
    apply_definitions(store, home)
    written.clear()
    store.materialize_incremental(ahead.replace(tzinfo=UTC))
    assert online(home) == offline(present, ahead)
    assert {entry.split()[0] for entry in written} == {"write"}


def test_the_comparison_notices_a_restated_customer_left_out(
    tmp_path: Path, worlds: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    add(home, tmp_path / "raw-0", worlds[0])
    materialize(home=home)
    assert add(home, tmp_path / "raw-1", worlds[1])["restated"]
    monkeypatch.setattr(compute_engine, "changed_since", lambda *_: [])
    present = Home.at(home).current_build()
    open_store_and_write(home, present)
    assert online(home) != offline(present, data_clock(present))


def open_store_and_write(home: Path, present: Path) -> None:
    store = open_store(home)
    apply_definitions(store, home)
    store.materialize_incremental(data_clock(present).replace(tzinfo=UTC))


def test_a_whole_build_has_no_steps_and_is_written_anew(tmp_path: Path, worlds: list[Any]) -> None:
    home = tmp_path / "home"
    first = add(home, tmp_path / "raw-0", worlds[0])
    second = build(home=home, full_refresh=True)
    held, present = (Home.at(home).builds / each["build_id"] / "features" / "t" for each in (first, second))
    assert changes.changed_since(held, present, datetime(2024, 1, 1, tzinfo=UTC)) is None
    assert changes.changed_since(present, present, datetime(2024, 1, 1, tzinfo=UTC)) == []
