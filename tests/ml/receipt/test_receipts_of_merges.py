"""Receipts of customers who merged: whose rows make a value, from when, and why no longer."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.receipt import receipt
from ml.serve.pages.customer_events import customer_events
from tests.ml.receipt.hand import asked, of, person
from tests.ml.receipt.test_receipt_matches import check_every_feature, edges
from tests.reference.by_hand import day, item, order, session
from tests.reference.worlds import World, write_world
from tests.worlds import Built, built

pytestmark = pytest.mark.subjects("ml/receipt", "dbt_project")

MERGED_AT = day(20)
WORLD: World = {
    "customers": [
        person("ann", city="Oslo"),
        person("bea", city="Ulm"),
        person("cid"),
        person("end", registered_at=day(99)),
    ],
    "orders": [
        of("ann", order(1, at=5)),
        of("bea", order(2, at=6)),
        of("ann", order(3, at=30, loaded_at=day(31))),
        of("cid", order(4, at=7)),
        of("ann", order(5, at=8, loaded_at=day(9))),
        of("ann", order(5, at=8, total_amount=3, loaded_at=day(25))),
    ],
    "order_items": [of("ann", item(1, "toys", "2")) | {"order_id": "ann-o1"}],
    "sessions": [of("ann", session(1, at=19, page_views=4))],
    "customer_merges": [{"old_customer_id": "ann", "new_customer_id": "bea", "recorded_at": MERGED_AT}],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merges")
    return built(write_world(folder / "raw", WORLD), folder / "home", max_rejected=0.0).home


def lines(found: dict[str, Any]) -> list[tuple[int, str, datetime, Any]]:
    """Row, whose key it came under, from when it counts, and how much, of the rows that make a value."""
    return [
        (row["row"], row["raw"]["customer_id"], row["counts_from"], row["amount"]) for row in found["rows"]
    ]


def test_the_new_customer_has_the_rows_of_the_old_one(home: Path) -> None:
    before = asked(home, "bea", "orders_lifetime", datetime(2023, 1, 20, 23, 59, 59, 999999))
    assert [row["row"] for row in before["rows"]] == [2]
    assert (before["until"], before["until_because"]) == (
        MERGED_AT,
        "order ann-o1: merged from ann; order ann-o5: merged from ann",
    )
    after = asked(home, "bea", "spend_lifetime", MERGED_AT)
    assert after["published"] == 30
    assert lines(after) == [(1, "ann", MERGED_AT, 10), (2, "bea", day(6), 10), (5, "ann", MERGED_AT, 10)]
    corrected = asked(home, "bea", "spend_lifetime", day(31))
    assert lines(corrected) == [
        (1, "ann", MERGED_AT, 10),
        (2, "bea", day(6), 10),
        (6, "ann", day(25), 3),
        (3, "ann", day(31), 10),
    ]


def test_the_old_customer_says_into_whom_they_merged(home: Path) -> None:
    found = asked(home, "ann", "orders_lifetime", MERGED_AT)
    assert (found["published"], found["rows"]) == (0, [])
    assert {line["why"] for line in found["outside"] if line["row"] in (1, 5)} == {"merged into bea"}
    city = asked(home, "ann", "city", day(40))
    assert (city["published"], [line["why"] for line in city["outside"]]) == (None, ["merged into bea"])
    assert asked(home, "bea", "city", day(40))["published"] == "Ulm"


def test_others_are_as_they_were(home: Path) -> None:
    found = asked(home, "cid", "spend_lifetime", day(40))
    assert lines(found) == [(4, "cid", day(7), 10)]


def test_items_and_categories_move_with_their_orders(home: Path) -> None:
    assert asked(home, "bea", "items_90d", day(19))["published"] == 0
    assert asked(home, "bea", "items_90d", MERGED_AT)["published"] == 2
    assert asked(home, "bea", "categories_lifetime", MERGED_AT)["published"] == 1
    assert asked(home, "ann", "categories_lifetime", MERGED_AT)["published"] == 0


def test_what_happened_to_the_new_customer_is_on_their_page(home: Path) -> None:
    home_ = Home.at(home)
    events = customer_events(home_.current_build(), home_.current_load(), "bea", day(40))
    known = {(event.subject, event.what): event.known_at for event in events}
    assert known["order ann-o1", "ordered"] == MERGED_AT
    assert known["session ann-s1", "started"] == MERGED_AT
    assert known["order ann-o3", "ordered"] == day(31)


def test_rows_come_to_the_published_value_of_every_feature(merged: Built) -> None:
    rows = edges(merged.raw, data_clock(merged.build), 120, seed=6)
    assert check_every_feature(merged.home, rows, turns=6) > 150


def test_every_feature_of_those_who_have_most_keys(merged: Built) -> None:
    """At the merges themselves."""
    merges = pq.read_table(merged.raw / "customer_merges.parquet").to_pylist()
    names = read_catalog(merged.build).feature_names
    some = 0
    for number, merge in enumerate(merges):
        for customer in (merge["old_customer_id"], merge["new_customer_id"]):
            name = names[(7 * number) % len(names)]
            found = receipt(customer, name, as_of=merge["recorded_at"], home=merged.home)
            assert found.matches, found.breach()
            some += found.entry.published is not None
    assert some > 20
