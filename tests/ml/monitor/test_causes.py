"""Faults planted in the raw rows of the shop: which cause is named first, and that without one none is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ml.monitor.alarms import fact_alerts
from ml.monitor.causes import Cause, find_causes, strength
from ml.monitor.feeds import read_feeds
from ml.monitor.raw_columns import read_raw_columns
from ml.monitor.weeks import Weeks
from tests.worlds import Built

AS_OF, FAULT = datetime(2024, 12, 30), "timestamp '2024-12-23'"
WEEKS = Weeks.until(AS_OF, datetime(2023, 6, 1), 7, 80)
ORDER_KNOWN = "greatest(ordered_at, coalesce(loaded_at, ordered_at))"
Planted = Callable[..., list[Cause]]


@pytest.fixture
def causes(shop: Built, tmp_path: Path) -> Planted:
    """The causes found in the shop's load after some tables were rewritten by a query each."""

    def found(**queries: str) -> list[Cause]:
        load = tmp_path / "load"
        for table in sorted(path.name for path in (shop.home / "raw" / "current").iterdir() if path.is_dir()):
            (load / table).mkdir(parents=True)
            files = f"read_parquet('{shop.home}/raw/current/{table}/*.parquet')"
            query = queries.get(table, "from rows").replace("FAULT", FAULT)
            with duckdb.connect() as connection:
                connection.execute(f"create view rows as from {files}")
                connection.execute(f"copy ({query}) to '{load / table / 'rows.parquet'}' (format parquet)")
        return find_causes(read_feeds(load, WEEKS), read_raw_columns(load, WEEKS), 6)

    return found


def test_without_a_fault_nothing_special_is_named(causes: Planted) -> None:
    assert {cause.kind for cause in causes()} <= {"mix changed", "rows changed", "nulls", "size changed"}


def test_a_feed_that_stopped(causes: Planted) -> None:
    first = causes(orders=f"from rows where {ORDER_KNOWN} < FAULT")[0]
    assert (first.kind, first.source) == ("feed stopped", "orders")
    assert first.sentence.startswith("the feed of orders stopped: for 7.1 days no row of it became known")
    assert first.advice.startswith("Restart the delivery of orders")


def test_customers_who_stopped_are_no_feed_that_stopped(causes: Planted) -> None:
    """Half of the customers do nothing more: fewer orders and sessions, as fresh as ever."""
    gone = "hash(customer_id) % 10 < 7"
    found = causes(
        orders=f"from rows where not (ordered_at >= FAULT and {gone})",
        sessions=f"from rows where not (started_at >= FAULT and {gone})",
    )
    assert not {"feed stopped", "feed late"} & {cause.kind for cause in found}
    assert found[0].kind == "customers changed"
    assert "the customers changed, not the feed" in found[0].sentence


def test_a_source_that_comes_late(causes: Planted) -> None:
    late = f"case when {ORDER_KNOWN} >= FAULT - interval 7 day then interval 4 day else interval 0 day end"
    first = causes(
        orders=f"select * replace (coalesce(loaded_at, ordered_at) + {late} as loaded_at) from rows"
    )[0]
    assert (first.kind, first.source) == ("feed late", "orders")
    assert first.sentence.startswith("orders come late: rows became known 4.")


def test_amounts_in_cents(causes: Planted) -> None:
    in_cents = "case when ordered_at >= FAULT then total_amount * 100 else total_amount end"
    first = causes(orders=f"select * replace (({in_cents})::decimal(18, 4) as total_amount) from rows")[0]
    assert (first.kind, first.source, first.column) == ("unit changed", "orders", "total_amount")
    assert "orders.total_amount is 100 times what it was" in first.sentence


def test_amounts_in_hundreds(causes: Planted) -> None:
    fewer = "case when ordered_at >= FAULT then total_amount / 100 else total_amount end"
    first = causes(orders=f"select * replace (({fewer})::decimal(18, 4) as total_amount) from rows")[0]
    assert "orders.total_amount is a hundredth of what it was" in first.sentence


def test_prices_that_doubled_are_no_unit(causes: Planted) -> None:
    dearer = "case when ordered_at >= FAULT then total_amount * 2 else total_amount end"
    found = causes(orders=f"select * replace (({dearer})::decimal(18, 4) as total_amount) from rows")
    assert ("size changed", "total_amount") in {(cause.kind, cause.column) for cause in found}
    assert "unit changed" not in {cause.kind for cause in found}


def test_a_load_that_came_twice(causes: Planted) -> None:
    again = "select * replace (order_id || '-2' as order_id) from rows where ordered_at >= FAULT"
    found = causes(orders=f"from rows union all by name {again}")
    assert (found[0].kind, found[0].source) == ("rows twice", "orders")
    assert ("rows changed", "orders") not in {(cause.kind, cause.source) for cause in found}


def test_a_new_category(causes: Planted) -> None:
    kiosk = "case when ordered_at >= FAULT and hash(order_id) % 3 = 0 then 'kiosk' else channel end"
    first = causes(orders=f"select * replace ({kiosk} as channel) from rows")[0]
    assert (first.kind, first.source, first.column) == ("new category", "orders", "channel")
    assert "orders by channel has the new value kiosk" in first.sentence


def test_nulls(causes: Planted) -> None:
    empty = "case when ordered_at >= FAULT then null else payment_method end"
    first = causes(orders=f"select * replace ({empty} as payment_method) from rows")[0]
    assert (first.kind, first.column) == ("nulls", "payment_method")
    assert first.sentence == "95% of orders.payment_method are null (before 3%)"


def test_a_segment_that_vanished(shop: Built, causes: Planted) -> None:
    customers = f"read_parquet('{shop.home}/raw/current/customers/*.parquet')"
    organic = f"customer_id in (select customer_id from {customers} where acquisition_channel = 'organic')"
    first = causes(orders=f"from rows where not (ordered_at >= FAULT and {organic})")[0]
    assert (first.kind, first.column) == ("segment vanished", "customers.acquisition_channel")
    assert first.sentence.startswith("organic has all but vanished from orders by")


def test_past_weeks_are_as_they_were(shop: Built) -> None:
    """Feeds as of an earlier week are those of the same weeks in a longer look."""
    load = shop.home / "raw" / "current"
    earlier = Weeks.until(AS_OF - timedelta(weeks=10), datetime(2023, 6, 1), 7, 70)
    short = {feed.source: feed for feed in read_feeds(load, earlier)}
    for feed in read_feeds(load, WEEKS):
        for name in ("arrivals", "stale_days", "recent_share"):
            whole, part = getattr(feed, name)[:-10], getattr(short[feed.source], name)
            np.testing.assert_array_equal(whole[-len(part) :], part)


def test_feeds_are_counted_as_a_query_counts_them(shop: Built) -> None:
    load = shop.home / "raw" / "current"
    orders = next(feed for feed in read_feeds(load, WEEKS) if feed.source == "orders")
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""
            select count(*), (timestamp '{AS_OF}' - max(known))::interval from (
                select min({ORDER_KNOWN}) as known
                from read_parquet('{load}/orders/*.parquet') group by order_id
            ) where known <= timestamp '{AS_OF}' and known > timestamp '{AS_OF}' - interval 7 day
            """
        ).fetchall()[0]
    assert orders.arrivals[-1] == rows[0]
    assert orders.stale_days[-1] == pytest.approx(rows[1] / timedelta(days=1))


def test_a_strength_is_in_units_of_the_largest_before() -> None:
    past = [1.0, 2, 3, 1]
    assert strength(np.array([*past, 0, 6, 0]), 0.1) == 2.0
    assert strength(np.array([*past, 0, 6, 0]), 12.0) == 0.5
    assert np.isnan(strength(np.array([1.0, 2, 3, 6, 0]), 0.1))


def test_a_changed_unit_pages_of_itself_and_dearer_prices_do_not() -> None:
    unit = Cause("unit changed", "orders", "total_amount", "total_amount is 100 times what it was", 9.0)
    dearer = Cause("size changed", "orders", "total_amount", "its median is 109, before 64", 9.0)
    other = Cause("definition changed", "spend_90d", "", "the definition of spend_90d is another", 1.0)
    alerts = fact_alerts([dearer, unit, other], "2024-12-30T00:00:00Z")
    assert [(alert.group, alert.cause, alert.cause_kind) for alert in alerts] == [
        ("definition", other.sentence, "definition changed"),
        ("unit", unit.sentence, "unit changed"),
    ]
    assert alerts[1].advice.startswith("Ask who delivers orders about the unit of total_amount")
    assert fact_alerts([dearer], "2024-12-30T00:00:00Z") == []
