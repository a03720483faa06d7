"""Receipts of whole worlds: every feature's rows come to the published value, and they are the right rows."""

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.ingest import ingest
from ml.receipt import receipt
from ml.warehouse import build
from tests.ml.receipt.brute_force import OrderRows
from tests.ml.receipt.hand import PEOPLE, asked, of, places
from tests.reference.by_hand import day, order
from tests.reference.entity_rows import asked_rows
from tests.reference.worlds import write_world
from tests.worlds import Built

Asked = tuple[str, datetime]


def edges(raw: Path, clock: datetime, count: int, seed: int) -> list[Asked]:
    """Customers at random instants and at the edges of their facts, known by ``clock``."""
    rows = asked_rows(raw, count, seed, max_edges=9 * count).to_pylist()
    known = [row for row in rows if row["asked_because"] != "unknown" and row["event_timestamp"] <= clock]
    return [(row["customer_id"], row["event_timestamp"]) for row in known]


def check_every_feature(home: Path, rows: list[Asked], turns: int = 1) -> int:
    """Ask every feature at some of the instants, in turn; how many values were not null."""
    some = 0
    for turn, feature in enumerate(read_catalog(Home.at(home).current_build()).feature_names * turns):
        customer, instant = rows[turn % len(rows)]
        found = receipt(customer, feature, as_of=instant, home=home)
        assert found.matches, found.breach()
        some += found.entry.published is not None
    return some


@pytest.fixture(params=["world", "shop"])
def whole(request: pytest.FixtureRequest) -> Built:
    found: Built = request.getfixturevalue(request.param)
    return found


def test_rows_come_to_the_published_value_of_every_feature(whole: Built) -> None:
    rows = edges(whole.raw, data_clock(whole.build), 60, seed=3)
    assert check_every_feature(whole.home, rows, turns=3) > 75


def test_rows_that_were_withdrawn_have_receipts_too(withdrawn: Built) -> None:
    rows = edges(withdrawn.raw, data_clock(withdrawn.build), 120, seed=3)
    assert check_every_feature(withdrawn.home, rows, turns=4) > 100


def test_the_rows_are_those_that_brute_force_counts(whole: Built) -> None:
    orders = OrderRows(whole.raw)
    counted = 0
    for customer, instant in edges(whole.raw, data_clock(whole.build), 40, seed=4)[:60]:
        expected = orders.counting(customer, instant, 30)
        found = asked(whole.home, customer, "average_order_value_30d", instant)
        assert found["exists"] or not expected
        spend, count = found["parts"]
        for one in (spend, count):
            assert {row["row"] for row in one["rows"]} == {row["number"] for row in expected}
            assert {row["file"] for row in one["rows"]} <= {orders.file.name}
        assert {row["row"]: row["amount"] for row in spend["rows"]} == {
            row["number"]: row["total_amount"] for row in expected
        }
        counted += len(expected)
    assert counted > 25


def test_builds_of_new_facts_and_of_the_past_have_receipts_too(hand: Path, tmp_path: Path) -> None:
    home = shutil.copytree(hand, tmp_path / "home", symlinks=True)
    news = [order(1, at=10, total_amount=7, loaded_at=day(501)), order(9, at=502)]
    write_world(tmp_path / "news", {"orders": [of("corrected", row) for row in news]})
    ingest(str(tmp_path / "news"), home=home, append=True)
    assert build(home=home)["kind"] == "incremental"
    found = asked(home, "corrected", "spend_lifetime", day(502))
    assert [(row["version"], row["amount"]) for row in found["rows"]] == [(3, 7), (1, 10)]
    assert [row["row"] for row in found["rows"]] == [1, 2]
    everyone = [(who, day(at)) for who in PEOPLE for at in (12, 20, 45, 500)]
    check_every_feature(home, everyone)
    build(home=home, as_of=day(30))
    found = asked(home, "cancelled", "orders_lifetime")
    assert (found["as_of"], found["published"], places(found["rows"])) == (
        day(30),
        1,
        [("orders.parquet", 9)],
    )
    assert found["until"] is None
    check_every_feature(home, [(who, instant) for who, instant in everyone if instant <= day(30)])
    nobody = asked(home, "clock", "orders_lifetime")
    assert (nobody["published"], nobody["exists"], nobody["first_known_at"]) == (None, False, None)
