"""Increments that bring merges: the end equals a full build, and no row up to the older data clock moves."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import duckdb
import pytest

from ml.audit.all_checks import audit
from ml.demos.shop import write_shop
from ml.ingest import ingest
from ml.warehouse import build, increment
from tests.ml.warehouse.extracts import add, at_random, folder_of, in_time
from tests.ml.warehouse.same import differing, misplaced, moved
from tests.reference.by_hand import day, order
from tests.reference.merged import merged_world
from tests.reference.worlds import Row, World, write_world

pytestmark = pytest.mark.subjects("dbt_project", "ml/warehouse", "ml/ingest")

CLOCK = datetime(2023, 6, 1)


@pytest.fixture(autouse=True)
def any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many customers are touched, only they are made again."""
    monkeypatch.setattr(increment, "TOUCHED_SHARE_MAX", 10.0)
    monkeypatch.setenv("CHURN_KEEP_BUILDS", "20")


def of(who: str, row: Row) -> Row:
    return {**row, "customer_id": who}


WORLD: World = {
    "customers": [
        {"customer_id": who, "registered_at": day(0)} for who in ("ann", "bea", "cid", "dan", "eve")
    ],
    "orders": [
        of(who, order(number, at=10 + number)) for number, who in enumerate(("ann", "bea", "cid", "dan"))
    ],
}


def test_a_merge_touches_all_whom_it_joins_and_moves_no_history(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = add(home, tmp_path / "first", WORLD | {"customer_merges": [merge("cid", "bea", day(30))]})
    joined = add(home, tmp_path / "joined", {"customer_merges": [merge("ann", "bea", day(40))]})
    assert (joined["kind"], joined["touched"], joined["restated"]) == ("incremental", 3, 0)
    assert moved(folder_of(home, first), folder_of(home, joined), first["data_clock"]) == {}
    # a fact of the key that is no more touches the owner, and the others joined to them
    later = add(home, tmp_path / "later", {"orders": [of("ann", order(8, at=45))]})
    assert (later["kind"], later["touched"], later["restated"]) == ("incremental", 3, 0)
    assert moved(folder_of(home, joined), folder_of(home, later), joined["data_clock"]) == {}
    # a merge recorded before the data clock comes late: history is made again
    late = add(home, tmp_path / "late", {"customer_merges": [merge("dan", "eve", day(20))]})
    assert (late["kind"], late["touched"], late["restated"]) == ("incremental", 2, 2)
    (history,) = audit(home=home, only=("history",), seconds=20)["checks"]
    what = [breach["what"] for breach in history["breaches"]]
    named = "customer_merges: 1 row whose clock says that they were known by 2023-02-15T00:00:00Z"
    assert any(sentence.startswith(named) for sentence in what)
    whole = build(home=home, full_refresh=True)
    assert differing(folder_of(home, late), folder_of(home, whole)) == {}
    assert misplaced(folder_of(home, late)) == []
    assert late["data_clock"] == whole["data_clock"] == "2023-02-15T00:00:00Z"
    assert late["rows"] == whole["rows"]


def merge(old: str, new: str, at: datetime) -> Row:
    return {"old_customer_id": old, "new_customer_id": new, "recorded_at": at}


@pytest.mark.parametrize("when", ["in time", "in any order"])
def test_a_random_world_in_parts(when: str, tmp_path: Path) -> None:
    world = merged_world(31, customers=60)
    instants = [CLOCK + timedelta(days=days, microseconds=days) for days in (0, 40, 200)]
    parts = in_time(world, *instants) if when == "in time" else at_random(world, 4, seed=2)
    home = tmp_path / "home"
    records = [add(home, tmp_path / f"raw-{number}", part) for number, part in enumerate(parts)]
    assert [record["kind"] for record in records] == ["full", *["incremental"] * 3]
    whole = build(home=home, full_refresh=True)
    assert differing(folder_of(home, records[-1]), folder_of(home, whole)) == {}
    assert misplaced(folder_of(home, records[-1])) == []
    assert records[-1]["data_clock"] == whole["data_clock"]
    assert len(parts[0]["customer_merges"]) > 3
    assert sum(len(part["customer_merges"]) for part in parts[1:]) > 3
    if when == "in time":
        assert audit(home=home, only=("ledger", "labels"), seconds=20)["passed"]


def test_extracts_of_a_shop_in_which_customers_merge(tmp_path: Path) -> None:
    """Each holds all rows and merges known by then: history never moves, the end is the same."""
    random, home, whole = Random(7), tmp_path / "home", tmp_path / "whole"
    days = [datetime(2024, 12, day) for day in (1, 9, 31)]
    records, merges = [], list[Row]()
    for day_of_extract in days:
        raw = tmp_path / f"raw-{day_of_extract.day}"
        write_shop(raw, customers=200, seed=5, as_of=day_of_extract)
        merges = merges or shop_merges(random, raw)
        known = [merge for merge in merges if merge["recorded_at"] <= day_of_extract]
        write_world(raw, {"customer_merges": known})
        ingest(str(raw), home=home, append=True, max_rejected=0.0)
        records.append(build(home=home))
        assert len(known) == {1: 30, 9: 45, 31: 60}[day_of_extract.day]
    assert [record["kind"] for record in records] == ["full", "incremental", "incremental"]
    assert [record["restated"] for record in records[1:]] == [0, 0]
    for earlier, later in pairwise(records):
        assert moved(folder_of(home, earlier), folder_of(home, later), earlier["data_clock"]) == {}
    ingest(str(raw), home=whole)
    record = build(home=whole)
    assert differing(folder_of(home, records[-1]), folder_of(whole, record)) == {}
    assert misplaced(folder_of(home, records[-1])) == []
    for name in ("rows", "data_clock", "first_known_at", "tests"):
        assert records[-1][name] == record[name]


def shop_merges(random: Random, raw: Path) -> list[Row]:
    """Sixty merges of customers of the first extract: half before it, the others in the two after it."""
    files = raw / "customers.parquet"
    ids = [row[0] for row in duckdb.sql(f"select distinct customer_id from '{files}' order by 1").fetchall()]
    order_of_ids = random.sample(ids, len(ids))
    before, then, later = (
        (datetime(2024, 6, 1), 183),
        (datetime(2024, 12, 2), 6),
        (datetime(2024, 12, 10), 20),
    )
    merges = []
    for number, (start, days) in enumerate([before, then, before, later] * 15):
        new = random.choice(order_of_ids[number + 1 : number + 5])
        merges.append(merge(order_of_ids[number], new, start + timedelta(days=random.random() * days)))
    return merges
