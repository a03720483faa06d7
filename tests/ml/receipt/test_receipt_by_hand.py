"""Receipts of a few rows: what makes a value, what lies just outside and why, how long it holds."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ml.featurestore.catalog import read_catalog
from ml.home.layout import Home
from ml.receipt import receipt
from ml.receipt.receipt_json import as_dict
from ml.warehouse.customer_tables import CustomerTables
from tests.ml.receipt.hand import CLOCK, asked, places
from tests.reference.by_hand import day


def reasons(found: dict[str, Any]) -> list[tuple[str, int, str, datetime]]:
    """Every row outside: its place, why, and the instant of that."""
    return sorted((one["file"], one["row"], one["why"], one["at"]) for one in found["outside"])


def test_a_late_row_counts_from_when_it_was_known(hand: Path) -> None:
    before = asked(hand, "late", "orders_30d", day(12, -1))
    assert (before["published"], places(before["rows"])) == (1, [("orders.parquet", 2)])
    assert reasons(before) == [("orders.parquet", 1, "known only then", day(12))]
    found = asked(hand, "late", "orders_30d", day(12))
    assert (found["published"], places(found["rows"])) == (2, [("orders.parquet", 1), ("orders.parquet", 2)])
    late = found["rows"][0]
    assert (late["occurred"], late["known_at"]) == ({"ordered_at": day(10)}, day(12))
    assert (late["counts_from"], late["counts_until"], late["until_because"]) == (
        day(12),
        day(40),
        "30 days since ordered",
    )
    assert (late["amount"], late["key"], late["raw"]["total_amount"]) == (
        1,
        {"order_id": "late-o1"},
        Decimal(10),
    )
    assert (found["since"], found["since_because"]) == (day(12), "order late-o1: known")
    assert (found["until"], found["until_because"]) == (day(40), "order late-o1: 30 days since ordered")


def test_a_row_known_after_its_window_never_counts(hand: Path) -> None:
    found = asked(hand, "late", "orders_30d", day(60))
    assert (found["published"], found["rows"]) == (0, [])
    assert reasons(found) == [
        ("orders.parquet", 1, "30 days since ordered", day(40)),
        ("orders.parquet", 2, "30 days since ordered", day(41)),
        ("orders.parquet", 3, "already 30 days since ordered when known", day(60)),
    ]
    assert (found["since"], found["until"], found["exact_until"]) == (day(41), None, CLOCK)


def test_a_corrected_amount_replaces_the_older_version(hand: Path) -> None:
    before = asked(hand, "corrected", "spend_90d", day(20, -1))
    assert (before["published"], places(before["rows"])) == (10, [("orders.parquet", 4)])
    assert before["rows"][0]["copies"] == [{"load": "load-000001", "file": "orders.parquet", "row": 5}]
    assert (before["rows"][0]["counts_until"], before["until"]) == (day(20), day(20))
    found = asked(hand, "corrected", "spend_90d", day(20))
    assert (found["published"], places(found["rows"]), found["rows"][0]["version"]) == (
        8,
        [("orders.parquet", 6)],
        2,
    )
    (older,) = found["outside"]
    assert (older["edge"], older["row"], older["version"], older["amount"]) == ("replaced", 4, 1, 10)
    assert (older["why"], older["at"]) == ("replaced by version 2", day(20))
    assert found["since_because"] == (
        "order corrected-o1: replaced by version 2; order corrected-o1 version 2: known"
    )


def test_a_correction_that_leaves_the_value_is_no_change(hand: Path) -> None:
    found = asked(hand, "corrected", "orders_90d", day(20))
    assert (found["published"], found["since"], found["until"]) == (1, day(10), day(100))


def test_cancelled_and_returned_orders_leave(hand: Path) -> None:
    found = asked(hand, "cancelled", "orders_lifetime", day(40))
    assert (found["published"], found["rows"]) == (0, [])
    assert reasons(found) == [
        ("orders.parquet", 7, "replaced by version 2", day(14)),
        ("orders.parquet", 8, "already cancelled when known", day(14)),
        ("orders.parquet", 9, "returned", day(40)),
    ]
    assert found["outside"][1]["edge"] == "withdrawn"
    losses = asked(hand, "cancelled", "cancelled_orders_365d", day(40))
    assert [(one["row"], one["counts_from"], one["counts_until"]) for one in losses["rows"]] == [
        (8, day(14), day(378)),
        (9, day(40), day(405)),
    ]
    assert losses["rows"][0]["until_because"] == "365 days since cancelled"
    assert reasons(losses) == [("orders.parquet", 7, "not one of the lost orders", day(10))]


def test_a_resolution_counts_from_when_it_was_told(hand: Path) -> None:
    seconds = 86_400 + 7_200
    before = asked(hand, "asking", "resolution_seconds_90d", day(15, -1))
    assert (before["published"], before["rows"], before["until_because"]) == (
        0,
        [],
        "ticket asking-t1 version 2: known",
    )
    found = asked(hand, "asking", "resolution_seconds_90d", day(15))
    (row,) = found["rows"]
    assert (found["published"], row["amount"], row["row"], row["version"]) == (seconds, seconds, 2, 2)
    resolved = day(11, 7_200_000_000)
    assert row["occurred"] == {"opened_at": day(10), "resolved_at": resolved, "rated_at": resolved}
    assert (row["known_at"], row["counts_until"]) == (day(15), day(101, 7_200_000_000))
    assert reasons(found) == [
        ("support_tickets.parquet", 1, "not one of the resolved tickets", day(10)),
        ("support_tickets.parquet", 3, "not one of the resolved tickets", day(14)),
    ]
    still_open = asked(hand, "asking", "open_tickets", day(15))
    assert places(still_open["rows"]) == [("support_tickets.parquet", 3)]
    assert still_open["rows"][0]["counts_until"] is None


def test_a_rating_without_its_own_instant_counts_from_the_resolution(hand: Path) -> None:
    found = asked(hand, "asking", "low_ratings_365d", day(15))
    assert (found["published"], places(found["rows"])) == (1, [("support_tickets.parquet", 2)])
    assert found["rows"][0]["raw"]["rated_at"] is None


def test_a_category_comes_with_the_item_and_order_that_made_it_known(hand: Path) -> None:
    found = asked(hand, "buying", "categories_lifetime", day(20))
    shown = [(one["file"], one["row"], one["raw"]["category"], places(one["rows"])) for one in found["rows"]]
    assert shown == [
        ("order_items.parquet", 1, "toys", [("orders.parquet", 10)]),
        ("order_items.parquet", 4, "books", [("orders.parquet", 11)]),
    ]
    assert found["rows"][1]["copies"] == [{"load": "load-000001", "file": "order_items.parquet", "row": 5}]
    assert (found["published"], found["since"], found["since_because"]) == (
        2,
        day(20),
        "category books: known",
    )
    earlier = asked(hand, "buying", "categories_lifetime", day(20, -1))
    assert (earlier["published"], reasons(earlier)) == (
        1,
        [("order_items.parquet", 4, "known only then", day(20))],
    )


def test_items_stand_under_their_order(hand: Path) -> None:
    found = asked(hand, "buying", "items_90d", day(20))
    shown = [
        (one["row"], one["amount"], [(item["row"], item["amount"]) for item in one["rows"]])
        for one in found["rows"]
    ]
    assert shown == [(10, 3, [(1, 2), (2, 1)]), (11, 5, [(3, 4), (4, 1)])]
    assert found["published"] == 8


def test_extremes_show_the_row_that_gives_them(hand: Path) -> None:
    found = asked(hand, "late", "last_order_at", day(60))
    assert (found["published"], places(found["rows"])) == (day(11), [("orders.parquet", 2)])
    assert reasons(found) == [
        ("orders.parquet", 1, "not the latest", day(12)),
        ("orders.parquet", 3, "not the latest", day(60)),
    ]
    first = asked(hand, "late", "first_order_at", day(60))
    assert (first["published"], places(first["rows"]), first["since"]) == (
        day(5),
        [("orders.parquet", 3)],
        day(60),
    )
    assert asked(hand, "late", "last_order_at", day(12))["since"] == day(11)


def test_sessions_follow_the_version_that_holds(hand: Path) -> None:
    found = asked(hand, "visiting", "page_views_30d", day(11))
    assert (found["published"], places(found["rows"])) == (5, [("sessions.parquet", 2)])
    assert reasons(found) == [("sessions.parquet", 1, "replaced by version 2", day(11))]


def test_an_attribute_comes_from_the_version_known_then(hand: Path) -> None:
    found = asked(hand, "moving", "city", day(30))
    assert (found["published"], places(found["rows"])) == ("Rome", [("customers.parquet", 10)])
    assert reasons(found) == [
        ("customers.parquet", 9, "replaced by version 2", day(30)),
        ("customers.parquet", 11, "known only then", day(50)),
    ]
    assert (found["since"], found["until"]) == (day(30), day(50))
    assert asked(hand, "moving", "city", day(50))["published"] is None
    unversioned = asked(hand, "moving", "city", day(2, -1))
    assert (unversioned["published"], unversioned["rows"], unversioned["exists"]) == (None, [], True)


def test_what_does_not_change_comes_from_the_earliest_version(hand: Path) -> None:
    found = asked(hand, "moving", "birth_date")
    assert (found["published"], places(found["rows"])) == (day(-9000).date(), [("customers.parquet", 9)])
    assert reasons(found) == [
        ("customers.parquet", 10, "not the earliest version", day(30)),
        ("customers.parquet", 11, "not the earliest version", day(50)),
    ]
    assert (found["since"], found["since_because"]) == (day(0), "customer moving: registered")


def test_a_ratio_comes_with_its_formula_and_parts(hand: Path) -> None:
    found = asked(hand, "buying", "average_order_value_30d", day(20))
    assert (found["published"], found["formula"]) == (20.0, "spend_30d / orders_30d")
    assert [(part["feature"], part["recomputed"], len(part["rows"])) for part in found["parts"]] == [
        ("spend_30d", 40, 2),
        ("orders_30d", 2, 2),
    ]
    assert (found["since"], found["until"], found["moves_with_the_instant"]) == (day(20), day(40), False)
    empty = asked(hand, "buying", "average_order_value_30d", day(9))
    assert (empty["published"], empty["recomputed"]) == (None, None)


def test_a_formula_of_formulas_moves_with_the_instant(hand: Path) -> None:
    found = asked(hand, "buying", "overdue_ratio", day(25))
    assert (found["published"], found["moves_with_the_instant"]) == (0.5, True)
    assert [part["feature"] for part in found["parts"]] == [
        "days_since_last_order",
        "average_days_between_orders",
    ]
    assert [part["feature"] for part in found["parts"][0]["parts"]] == ["last_order_at"]


@pytest.mark.parametrize("feature", ["orders_30d", "city", "registered_at", "last_order_at", "age_years"])
def test_nobody_is_known_before_the_first_fact(hand: Path, feature: str) -> None:
    found = asked(hand, "buying", feature, day(0, -1))
    assert (found["published"], found["recomputed"], found["exists"]) == (None, None, False)
    assert (found["rows"], found["since"], found["first_known_at"]) == ([], None, day(0))


def test_by_default_the_instant_is_the_data_clock(hand: Path) -> None:
    found = asked(hand, "-5", "orders_lifetime")
    assert (found["as_of"], found["data_clock"], found["published"]) == (CLOCK, CLOCK, 0)
    assert (found["until"], found["exact_until"]) == (None, CLOCK)


def test_a_change_after_the_data_clock_is_told_but_not_sworn_to(hand: Path) -> None:
    found = asked(hand, "recent", "orders_30d")
    assert (found["published"], found["until"], found["exact_until"]) == (1, day(520), CLOCK)
    assert found["until_because"] == "order recent-o1: 30 days since ordered"


def test_ties_come_in_one_order_whatever_the_order_of_the_rows(
    hand: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = [feature.name for feature in read_catalog(Home.at(hand).current_build()).features]
    receipts = {feature: as_dict(receipt("tied", feature, as_of=day(20), home=hand)) for feature in features}
    fetched = CustomerTables.fetched

    def reversed_rows(tables: CustomerTables, sql: str, values: Any = None) -> Any:
        columns, rows = fetched(tables, sql, values)
        return columns, rows if "order by" in sql.rsplit("\nselect ")[-1] else rows[::-1]

    monkeypatch.setattr(CustomerTables, "fetched", reversed_rows)

    for feature in features:
        assert as_dict(receipt("tied", feature, as_of=day(20), home=hand)) == receipts[feature]
