"""Order, customer and on-demand features of worlds worked out by hand, around each edge."""

from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from tests.reference.brute_force import reference_features
from tests.reference.by_hand import customer, day, item, order, session, ticket, values, world
from tests.reference.worlds import write_world

LATE = order(loaded_at=day(12))
CORRECTED = (order(total_amount=Decimal(10)), order(total_amount=Decimal("7.5"), loaded_at=day(12)))
CANCELLED = order(cancelled_at=day(15))
CANCELLED_LATE = (order(), order(cancelled_at=day(15), loaded_at=day(20)))
TAKEN_BACK = (*CANCELLED_LATE, order(loaded_at=day(25)))
CANCELLED_AND_RETURNED = order(cancelled_at=day(15), returned_at=day(20))
LOADED_EARLY = order(loaded_at=day(9))
TWO_LOADED_EARLY = (order(total_amount=Decimal(1), loaded_at=day(8)), order(loaded_at=day(9)))
COPIES = (order(loaded_at=day(12)), order(loaded_at=day(12)), order(loaded_at=day(20)))
BEFORE_REGISTRATION = (customer(registered_at=day(20)), order())
TWO_ORDERS = (order(1, 10), order(2, 16))
SAME_INSTANT = (order(1, 10), order(2, 10))
VERSIONS = (
    customer(gender="f", birth_date=date(1990, 1, 1), updated_at=day(5)),
    customer(gender="m", birth_date=date(1980, 1, 1), updated_at=day(8)),
)
LEAD = (customer(registered_at=day(20), gender="f", birth_date=date(1990, 1, 1), updated_at=day(5)),)
BASKET = (item(1), item(1), item(2, "wine", "0.5"), item(3, None, "-1"), item(4, "toys", "3"))

ORDERS = [
    ("a window begins", (order(),), "orders_7d", {day(10, -1): 0, day(10): 1, day(10, 1): 1}),
    ("a window of 7 days ends", (order(),), "orders_7d", {day(17, -1): 1, day(17): 0, day(17, 1): 0}),
    ("a window of 30 days ends", (order(),), "orders_30d", {day(40, -1): 1, day(40): 0}),
    ("a window of 90 days ends", (order(),), "spend_90d", {day(100, -1): Decimal(10), day(100): Decimal(0)}),
    ("a window of 365 days ends", (order(),), "orders_365d", {day(375, -1): 1, day(375): 0}),
    ("a lifetime does not end", (order(),), "spend_lifetime", {day(10, -1): 0, day(10): 10, day(999): 10}),
    ("a late row", (LATE,), "orders_7d", {day(12, -1): 0, day(12): 1, day(17, -1): 1, day(17): 0}),
    ("a row later than its window", (order(loaded_at=day(18)),), "orders_7d", {day(17): 0, day(18): 0}),
    ("a late row in a lifetime", (LATE,), "last_order_at", {day(12, -1): None, day(12): day(10)}),
    ("a load before the order", (LOADED_EARLY,), "orders_lifetime", {day(10, -1): 0, day(10): 1}),
    ("two loads before the order", TWO_LOADED_EARLY, "spend_7d", {day(10, -1): 0, day(10): 10, day(16): 10}),
    (
        "a corrected amount",
        CORRECTED,
        "spend_lifetime",
        {day(10): 10, day(12, -1): 10, day(12): Decimal("7.5")},
    ),
    ("a version is no second order", CORRECTED, "orders_placed_lifetime", {day(12): 1, day(13): 1}),
    ("a cancellation", (CANCELLED,), "orders_30d", {day(15, -1): 1, day(15): 0, day(15, 1): 0}),
    ("a cancelled order was placed", (CANCELLED,), "orders_placed_lifetime", {day(10, -1): 0, day(15): 1}),
    ("a cancelled order is the last", (CANCELLED,), "last_order_at", {day(10, -1): None, day(15): day(10)}),
    (
        "a cancellation known late",
        CANCELLED_LATE,
        "orders_lifetime",
        {day(15): 1, day(20, -1): 1, day(20): 0},
    ),
    ("a cancellation taken back", TAKEN_BACK, "orders_lifetime", {day(20): 0, day(25, -1): 0, day(25): 1}),
    (
        "one taken back, counted",
        TAKEN_BACK,
        "cancelled_orders_365d",
        {day(20): 1, day(25, -1): 1, day(25): 0},
    ),
    ("a return", (order(returned_at=day(15)),), "spend_30d", {day(15, -1): 10, day(15): 0}),
    ("cancelled counts", (CANCELLED,), "cancelled_orders_365d", {day(15, -1): 0, day(15): 1}),
    ("cancelled leaves", (CANCELLED,), "cancelled_orders_365d", {day(380, -1): 1, day(380): 0}),
    ("late from its own instant", CANCELLED_LATE, "cancelled_orders_365d", {day(380, -1): 1, day(380): 0}),
    ("both, once", (CANCELLED_AND_RETURNED,), "cancelled_orders_365d", {day(15): 1, day(20): 1, day(380): 1}),
    ("both, the later", (CANCELLED_AND_RETURNED,), "cancelled_orders_365d", {day(385, -1): 1, day(385): 0}),
    ("copies count once", COPIES, "orders_lifetime", {day(12, -1): 0, day(12): 1, day(20): 1, day(21): 1}),
    ("a null discount is none", (order(),), "discount_365d", {day(10): Decimal(0)}),
    (
        "a discount",
        (order(discount_amount=Decimal("0.1")),),
        "discount_365d",
        {day(10): Decimal("0.1"), day(375): 0},
    ),
    ("items", (order(), *BASKET), "items_90d", {day(10, -1): 0, day(10): Decimal("4.5"), day(100): 0}),
    (
        "items of a cancelled order",
        (CANCELLED, *BASKET),
        "items_365d",
        {day(15, -1): Decimal("4.5"), day(15): 0},
    ),
    ("categories", (order(), *BASKET), "categories_lifetime", {day(10, -1): 0, day(10): 2, day(999): 2}),
    ("cancelled categories stay", (CANCELLED, *BASKET), "categories_lifetime", {day(15): 2, day(999): 2}),
    ("an order without items", (order(),), "items_365d", {day(10): 0}),
]
CUSTOMERS = [
    ("registration begins a customer", (), "orders_7d", {day(0, -1): None, day(0): 0, day(0, 1): 0}),
    ("no order, no instant", (), "last_order_at", {day(0): None, day(50): None}),
    ("an order before", BEFORE_REGISTRATION, "orders_lifetime", {day(10, -1): None, day(10): 1}),
    ("not yet registered", BEFORE_REGISTRATION, "registered_at", {day(20, -1): None, day(20): day(20)}),
    (
        "a session before",
        (customer(registered_at=day(20)), session()),
        "orders_7d",
        {day(10, -1): None, day(10): 0},
    ),
    (
        "a late ticket before",
        (customer(registered_at=day(20)), ticket(loaded_at=day(12))),
        "tickets_7d",
        {day(12, -1): None, day(12): 1},
    ),
    ("no version yet", VERSIONS, "gender", {day(5, -1): None, day(5): "f", day(8, -1): "f", day(8): "m"}),
    (
        "born as the earliest says",
        VERSIONS,
        "birth_date",
        {day(0, -1): None, day(0): date(1990, 1, 1), day(9): date(1990, 1, 1)},
    ),
    ("known before registration", LEAD, "gender", {day(5, -1): None, day(5): "f", day(20): "f"}),
    ("counted before registration", LEAD, "orders_7d", {day(5, -1): None, day(5): 0}),
    ("born at registration", LEAD, "birth_date", {day(20, -1): None, day(20): date(1990, 1, 1)}),
    ("without updated_at", (customer(city="Ulm"),), "city", {day(0, -1): None, day(0): "Ulm"}),
    (
        "a value taken away",
        (customer(city="Ulm"), customer(updated_at=day(3))),
        "city",
        {day(3, -1): "Ulm", day(3): None},
    ),
]
ON_DEMAND = [
    (
        "days since an order",
        (order(),),
        "days_since_last_order",
        {day(10, -1): None, day(10): 0.0, day(11.5): 1.5},
    ),
    ("tenure", (), "tenure_days", {day(0, -1): None, day(0): 0.0, day(2.25): 2.25}),
    ("age", (customer(birth_date=date(2022, 1, 1)),), "age_years", {day(0): 365 / 365.25}),
    ("an average", TWO_ORDERS, "average_order_value_7d", {day(16): 10.0, day(23, -1): 10.0, day(23): None}),
    ("one order has no gap", TWO_ORDERS, "average_days_between_orders", {day(16, -1): None, day(16): 6.0}),
    ("overdue", TWO_ORDERS, "overdue_ratio", {day(16): 0.0, day(25): 1.5}),
    ("no time between", SAME_INSTANT, "overdue_ratio", {day(10): None, day(20): None}),
    (
        "a trend",
        TWO_ORDERS,
        "order_trend",
        {day(16): 3.0, day(40, -1): 3.0, day(40): 1.5, day(46): 0.0, day(106): None},
    ),
    ("a share of nothing spent", (order(total_amount=Decimal(0)),), "discount_share_365d", {day(10): None}),
    ("tickets per order", (order(), ticket()), "tickets_per_order_365d", {day(9): None, day(10): 1.0}),
]
CASES = ORDERS + CUSTOMERS + ON_DEMAND


@pytest.mark.parametrize(
    ("rows", "feature", "expected"), [pytest.param(*case, id=name) for name, *case in CASES]
)
def test_feature_at_instants(tmp_path, rows, feature, expected):
    assert values(tmp_path, world(*rows), feature, list(expected)) == expected


def test_an_unknown_customer_has_nothing(tmp_path):
    asked = pa.table({"customer_id": ["nobody"], "event_timestamp": [day(10)]})
    row = reference_features(write_world(tmp_path, world(order())), asked).to_pylist()[0]
    assert {name for name, value in row.items() if value is not None} == {
        "asked_row",
        "customer_id",
        "event_timestamp",
    }


def test_asked_rows_keep_their_order_and_duplicates(tmp_path):
    asked = pa.table({"customer_id": ["a", "nobody", "a"], "event_timestamp": [day(17), day(10), day(17)]})
    found = reference_features(write_world(tmp_path, world(order())), asked)
    assert found["asked_row"].to_pylist() == [0, 1, 2]
    assert found["orders_30d"].to_pylist() == [1, None, 1]


def test_a_relation_with_zoned_instants_may_ask(tmp_path):
    instants = pa.array([datetime(2023, 1, 11, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    asked = duckdb.connect().from_arrow(pa.table({"customer_id": ["a"], "event_timestamp": instants}))
    assert reference_features(write_world(tmp_path, world(order())), asked)["orders_7d"].to_pylist() == [1]


def test_another_window_is_one_number(tmp_path):
    asked = pa.table({"customer_id": ["a", "a"], "event_timestamp": [day(24, -1), day(24)]})
    found = reference_features(write_world(tmp_path, world(order())), asked, windows=(7, 14, 30, 90, 365))
    assert found["orders_14d"].to_pylist() == [1, 0]


def test_tables_and_columns_may_be_missing(tmp_path):
    without = ("order_items", "support_tickets", "sessions", "orders.loaded_at", "customers.updated_at")
    folder = write_world(tmp_path, world(order(), ticket(), item()), without)
    found = reference_features(
        folder, pa.table({"customer_id": ["a"], "event_timestamp": [day(10)]})
    ).to_pylist()[0]
    assert (found["orders_7d"], found["items_90d"], found["tickets_7d"], found["sessions_7d"]) == (1, 0, 0, 0)
