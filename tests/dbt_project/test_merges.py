"""Customers who merge: facts are their owner's at each instant, against a walk from key to key."""

import json
import shutil
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.home.build_manifest import data_clock as built_data_clock
from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build
from tests.dbt_project.hand_run import FEATURES, LABELS, ingested
from tests.dbt_project.test_exact_in_time import assert_equal_cells, labels_of
from tests.dbt_project.test_no_future import CLOCK
from tests.reference.brute_force import reference_features
from tests.reference.by_hand import day, item, order, session, ticket
from tests.reference.compare import compare
from tests.reference.entity_rows import asked_rows
from tests.reference.labels import data_clock, orders_delivered_until, reference_labels, reference_values
from tests.reference.merged import merge_some, merged_world
from tests.reference.worlds import Row, World, random_world, write_world
from tests.worlds import Built, built, declared_windows

MICRO = timedelta(microseconds=1)


@pytest.fixture(scope="module", params=["shared", 4])
def merged_rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    if request.param == "shared":
        return request.getfixturevalue("merged")
    folder: Path = tmp_path_factory.mktemp("merged")
    write_world(folder / "raw", merged_world(request.param, customers=90, share=0.8))
    return built(folder / "raw", folder / "home", max_rejected=0.0)


def test_features_of_a_world_with_merges(merged_rows: Built) -> None:
    assert_equal_cells(merged_rows, random_rows=2000, edges=9000, at_least=8000)


def test_labels_of_a_world_with_merges(merged_rows: Built) -> None:
    clock = data_clock(merged_rows.raw)
    assert built_data_clock(merged_rows.build) == clock
    settled = orders_delivered_until(merged_rows.raw, clock) - timedelta(days=30)
    expected = {row for row in reference_labels(merged_rows.raw, clock) if row[1] <= settled}
    assert labels_of(merged_rows) == expected
    assert len(expected) > 500
    values = {row for row in reference_values(merged_rows.raw, clock) if row[1] <= settled}
    assert labels_of(merged_rows, "label_customer_value") == values


def test_merges_matter_in_that_world(merged: Built, tmp_path: Path) -> None:
    """Without its merges the reference says something else, so that equal cells prove something."""
    asked = asked_rows(merged.raw, 500, seed=5, max_edges=1500)
    world = merged_world(2, customers=90)
    alone = reference_features(write_world(tmp_path, world | {"customer_merges": []}), asked)
    assert len(compare(reference_features(merged.raw, asked), alone).differences) > 2000


@pytest.mark.parametrize("at", [datetime(2023, 3, 6, 12), datetime(2024, 6, 1)])
def test_a_build_as_of_an_instant_knows_no_later_merge(
    at: datetime, merged: Built, tmp_path_factory: pytest.TempPathFactory
) -> None:
    then = built(merged.raw, tmp_path_factory.mktemp("then"), as_of=at, max_rejected=0.0)
    asked = asked_rows(merged.raw, 1000, seed=4, max_edges=4000)
    asked = asked.filter(pc.less_equal(asked["event_timestamp"], at))
    expected = reference_features(merged.raw, asked, windows=declared_windows())
    assert asked.num_rows > 1000
    assert compare(expected, then.features(asked)).differences == []
    assert compare(expected, merged.features(asked)).differences == []
    assert labels_of(then) == reference_labels(merged.raw, at)


def test_history_stands_still(tmp_path: Path) -> None:
    """A build of all has every row up to an instant that a build as of that instant has, and no other."""
    at = CLOCK
    raw = write_world(tmp_path / "raw", merge_some(random_world(8, customers=150), seed=8, share=0.6))
    now, then = built(raw, tmp_path / "now"), built(raw, tmp_path / "then", as_of=at)
    for model in FEATURES:
        before, after = history(then, model, at), history(now, model, at)
        assert len(before) > 100
        assert before == after


def history(made: Built, model: str, until: datetime) -> set[tuple[Any, ...]]:
    files = made.build / "features" / model / "*.parquet"
    return set(duckdb.sql(f"select * from '{files}' where event_timestamp <= timestamp '{until}'").fetchall())


# Ann merges into Bea on day 20, Bea into Cid on day 40; Dan into Cid too, on day 10, before anybody else.
M1, M2 = day(20), day(40)


def of(who: str, row: Row) -> Row:
    return {**row, "customer_id": who}


def merge(old: str, new: str, at: datetime) -> Row:
    return {"old_customer_id": old, "new_customer_id": new, "recorded_at": at}


HAND: World = {
    "customers": [
        {"customer_id": "ann", "registered_at": day(0), "city": "Oslo"},
        {"customer_id": "ann", "registered_at": day(0), "city": "Rome", "updated_at": day(30)},
        {"customer_id": "bea", "registered_at": day(15), "city": "Ulm"},
        {"customer_id": "cid", "registered_at": day(45), "city": "Bern"},
        {"customer_id": "dan", "registered_at": day(2), "city": "Bonn"},
        {"customer_id": "eve", "registered_at": day(12)},
        {"customer_id": "end", "registered_at": day(200)},
    ],
    "orders": [
        of("ann", order(1, at=5, total_amount=Decimal(100))),
        # corrected after the merge: what is then said of it is said of Bea's order
        of("ann", order(1, at=5, total_amount=Decimal(80), loaded_at=day(25))),
        # placed before the merge, known after it
        of("ann", order(2, at=18, loaded_at=day(22))),
        # deleted before the merge: it never moves
        of("ann", order(3, at=6)),
        of("ann", order(3, at=6, loaded_at=day(8), deleted_at=day(8))),
        of("bea", order(4, at=16, total_amount=Decimal(7))),
        # delivered under Ann's key long after she merged
        of("ann", order(5, at=50)),
    ],
    "order_items": [item(1, "toys"), item(2, "wine", loaded_at=day(30)), item(1, "wine", order_id="o4")],
    "support_tickets": [of("ann", ticket(1, at=3, resolved_at=day(21), satisfaction_score=2))],
    "sessions": [of("ann", session(1, at=19, page_views=3)), of("dan", session(2, at=9, page_views=5))],
    "customer_merges": [
        merge("ann", "bea", M1),
        merge("bea", "cid", M2),
        merge("dan", "cid", day(10)),
        # registered after the merge, and nothing before it: she never exists
        merge("eve", "cid", day(11)),
    ],
}
STATED = {
    ("ann", M1 - MICRO, "orders_lifetime"): 1,
    ("ann", M1, "orders_lifetime"): 0,
    ("ann", M1 - MICRO, "spend_lifetime"): 100,
    ("ann", M1, "first_order_at"): None,
    ("ann", M1 - MICRO, "city"): "Oslo",
    ("ann", M1, "city"): None,
    ("ann", day(30), "city"): None,
    ("ann", M1, "registered_at"): None,
    ("ann", day(60), "orders_placed_lifetime"): 0,
    ("bea", M1 - MICRO, "orders_lifetime"): 1,
    ("bea", M1 - MICRO, "first_order_at"): day(16),
    ("bea", M1, "orders_lifetime"): 2,
    ("bea", M1, "orders_placed_lifetime"): 2,
    ("bea", M1, "first_order_at"): day(5),
    ("bea", M1, "spend_lifetime"): 107,
    ("bea", day(22) - MICRO, "last_order_at"): day(16),
    ("bea", day(22), "last_order_at"): day(18),
    ("bea", day(25) - MICRO, "spend_lifetime"): 117,
    ("bea", day(25), "spend_lifetime"): 97,
    ("bea", M1, "city"): "Ulm",
    ("bea", M1 - MICRO, "categories_lifetime"): 1,
    ("bea", M1, "categories_lifetime"): 2,
    ("bea", M1, "open_tickets"): 1,
    ("bea", day(21), "low_ratings_365d"): 1,
    ("bea", M1, "page_views_30d"): 3,
    # windows stay on the occurred clock: the order of day 5 leaves the month on day 35, whosever it is
    ("bea", M1, "orders_7d"): 1,
    ("bea", day(35) - MICRO, "orders_30d"): 3,
    ("bea", day(35), "orders_30d"): 2,
    ("bea", M2, "orders_lifetime"): 0,
    ("cid", day(9), "sessions_30d"): None,
    ("cid", day(10) - MICRO, "sessions_30d"): None,
    ("cid", day(10), "sessions_30d"): 1,
    ("cid", day(10), "city"): None,
    ("cid", day(45), "city"): "Bern",
    ("cid", M2 - MICRO, "orders_lifetime"): 0,
    ("cid", M2, "orders_lifetime"): 3,
    ("cid", M2, "items_90d"): 6,
    ("cid", day(50) - MICRO, "orders_placed_lifetime"): 3,
    ("cid", day(50), "orders_placed_lifetime"): 4,
    ("eve", day(100), "orders_lifetime"): None,
}


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("by-hand")
    write_world(folder / "raw", HAND)
    return built(folder / "raw", folder / "home", max_rejected=0.0)


def test_stated_values(by_hand: Built) -> None:
    rows = {"customer_id": [who for who, _, _ in STATED], "event_timestamp": [at for _, at, _ in STATED]}
    asked = pa.table(rows)
    found, reference = by_hand.features(asked).to_pylist(), reference_features(by_hand.raw, asked).to_pylist()
    names = [name for _, _, name in STATED]
    assert {key: row[key[2]] for key, row in zip(STATED, found, strict=True)} == STATED
    assert [row[name] for row, name in zip(found, names, strict=True)] == [
        row[name] for row, name in zip(reference, names, strict=True)
    ]


def test_both_of_two_who_become_one_are_kept_by_an_order_of_either(tmp_path: Path) -> None:
    """Bea orders within 30 days of Monday 2023-01-16, Ann does not, and merges into her long after it."""
    world: World = {
        "customers": [{"customer_id": who, "registered_at": day(0)} for who in ("ann", "bea", "cid", "end")],
        "orders": [
            of("ann", order(1, at=10, total_amount=Decimal(1))),
            of("bea", order(2, at=11, total_amount=Decimal(2))),
            of("bea", order(3, at=20, total_amount=Decimal(40))),
            of("cid", order(4, at=10, total_amount=Decimal(8))),
            of("end", order(5, at=120)),
        ],
        "customer_merges": [merge("ann", "bea", day(80))],
    }
    made = built(write_world(tmp_path / "raw", world), tmp_path / "home", max_rejected=0.0)
    monday = datetime(2023, 1, 16)
    assert {(who, label) for who, at, label in labels_of(made) if at == monday} == {
        ("ann", 0),
        ("bea", 0),
        ("cid", 1),
    }
    values = labels_of(made, "label_customer_value")
    assert {(who, label) for who, at, label in values if at == monday} == {
        ("ann", 40),
        ("bea", 40),
        ("cid", 0),
    }
    # after the merge, Monday of day 81, the population has the owner alone
    assert {who for who, at, _ in labels_of(made) if at == datetime(2023, 3, 27)} == {"bea", "cid"}
    before = built(made.raw, tmp_path / "before", as_of=day(80) - MICRO, max_rejected=0.0)
    assert {(who, label) for who, at, label in labels_of(before) if at == monday} == {
        ("ann", 1),
        ("bea", 0),
        ("cid", 1),
    }


def test_without_merges_the_sql_does_not_know_of_them(by_hand: Built, world: Built) -> None:
    names = ("stg_orders", "stg_customers", "int_customers", "int_data_clock", "label_customer_churn")
    assert [
        name for name in names if "owner" in compiled(world, name) or "merge" in compiled(world, name)
    ] == []
    assert all("owner" in compiled(by_hand, name) or "merge" in compiled(by_hand, name) for name in names)


def test_a_load_from_before_there_were_merges_is_built_and_appended_to(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    ingest(str(write_world(tmp_path / "raw", HAND | {"customer_merges": []})), home=home)
    load = home.current_load().resolve()
    shutil.rmtree(load / "customer_merges")
    manifest = json.loads((load / "load.json").read_text())
    for record in (manifest, *manifest["ingests"]):
        del record["tables"]["customer_merges"]
    (load / "load.json").write_text(json.dumps(manifest))
    assert build(home=home)["kind"] == "full"
    write_world(tmp_path / "more", {"customer_merges": [merge("ann", "bea", M1)]})
    result = ingest(str(tmp_path / "more"), home=home, append=True)
    assert result["total"]["customer_merges"] == {"read": 1, "accepted": 1, "rejected": 0}
    assert build(home=home)["kind"] == "incremental"
    asked = pa.table({"customer_id": ["ann", "bea"], "event_timestamp": [M1, M1]})
    found = Built(tmp_path / "raw", tmp_path / "home").features(asked)
    assert found["orders_lifetime"].to_pylist() == [0, 2]


def compiled(made: Built, name: str) -> str:
    nodes = json.loads((made.build / "manifest.json").read_text())["nodes"].values()
    return next(node["compiled_code"] for node in nodes if node["name"] == name)


def test_slices_cut_between_customers_who_merge(merged: Built, tmp_path: Path) -> None:
    """Two customers to a slice: the same tables, though owners lie in other slices."""
    hand = ingested(tmp_path, merged_world(2, customers=90))
    done = hand.dbt("run", output=tmp_path / "sliced", customers_per_slice=2)
    assert done.returncode == 0, done.stdout
    for model in (*FEATURES, *LABELS):
        kind = "features" if model in FEATURES else "labels"
        whole = f"(from '{merged.build / kind / model}/*.parquet')"
        sliced = f"(from '{tmp_path / 'sliced' / kind / model}/*.parquet')"
        assert duckdb.sql(f"{whole} except all {sliced}").fetchall() == []
        assert duckdb.sql(f"{sliced} except all {whole}").fetchall() == []
        assert duckdb.sql(f"select count(*) from {sliced}").fetchall()[0][0] > 5
