"""The clock of each table: the largest instant at which a row first became known; the share of its last day.

Later versions, returns and cancellations do not move the clock. Labels count orders only until they were
delivered.
"""

from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import duckdb

from ml.common.instants import format_instant, parse_instant
from ml.ingest.batch import relation_of
from ml.ingest.contract import Table
from ml.ingest.declaration import raw_table, raw_tables

ONE_DAY = timedelta(days=1)
Clocks = dict[str, str | None]

CLOCK = "select max(known_at) from (select min({known_at}) as known_at from {rows} group by {key})"
# Orders of the last month may still be late, so they are left out.
DELAYS = """
with first_versions as (
    select any_value({occurred}) as occurred_at, min({known_at}) as known_at
    from {rows}
    where {version} is not null
    group by {key}
),
delays as (
    select epoch(known_at - occurred_at) / 86400 as days
    from first_versions
    where occurred_at <= $clock::timestamp - interval 30 day
)
select count(*), avg(greatest(0, 1 - days)), quantile_cont(days, 0.99) from delays
"""
# Fewer delays are too few for a quantile of 99 %.
DELAYS_MIN = 100


def table_clocks(load: Path, connection: duckdb.DuckDBPyConnection) -> Clocks:
    """The clock of each table whose rows have an occurred instant; None if it has no rows."""
    return {table.name: clock_of_table(load, table, connection) for table in raw_tables() if table.occurred}


def clock_of_table(load: Path, table: Table, connection: duckdb.DuckDBPyConnection) -> str | None:
    """The largest instant at which a key of ``table`` first became known."""
    fields = {"known_at": table.known_at, "rows": relation_of(load / table.name), "key": ", ".join(table.key)}
    clock = connection.execute(CLOCK.format(**fields)).fetchall()[0][0]
    return format_instant(clock) if clock else None


def arrival_of_orders(
    load: Path, clock: str | None, connection: duckdb.DuckDBPyConnection
) -> dict[str, float] | None:
    """The arrival of orders: the share of a day's orders loaded at its end, and the days until 99 % are.

    None if too few orders have the instant of their load.
    """
    if clock is None:
        return None
    orders = raw_table("orders")
    fields = {"known_at": orders.known_at, "occurred": orders.occurred, "version": orders.version}
    query = DELAYS.format(rows=relation_of(load / orders.name), key=orders.key[0], **fields)
    parameters = {"clock": parse_instant(clock)}
    count, share, days = connection.execute(query, parameters).fetchall()[0]
    if count < DELAYS_MIN:
        return None
    return {"last_day_share": round(share, 4), "days_until_99_percent": round(days, 2)}


def delivered_until(clock: datetime, data_clock: datetime) -> datetime:
    """Until when a table was delivered: to the end of its clock's day (UTC), never past the data clock."""
    end_of_day = clock.replace(hour=0, minute=0, second=0, microsecond=0) + ONE_DAY
    return min(data_clock, end_of_day)


def days_behind(clocks: Clocks, data_clock: str) -> dict[str, float]:
    """Tables that end a day or more before the data clock -> how many days."""
    behind = {
        name: (parse_instant(data_clock) - parse_instant(clock)) / ONE_DAY
        for name, clock in clocks.items()
        if clock is not None
    }
    return {name: days for name, days in behind.items() if days >= 1}


def notes_on_clocks(
    clocks: Clocks,
    data_clock: str | None,
    arrival: dict[str, float] | None,
    label_delay_days: int | None = None,
) -> list[str]:
    """Warnings about tables that end days apart, and orders that come late.

    Parameters
    ----------
    label_delay_days : int, optional
        The problem's, if known: there is no advice to raise it if it suffices.
    """
    behind = days_behind(clocks, data_clock) if data_clock else {}
    notes = [
        f"{name} end {days:.1f} days before the data clock {data_clock}: their last row became known at "
        f"{clocks[name]}"
        + ("; labels and scores stop there: deliver the missing orders" if name == "orders" else "")
        for name, days in behind.items()
    ]
    return notes + (notes_on_arrival(arrival, label_delay_days) if arrival else [])


def notes_on_arrival(arrival: dict[str, Any], label_delay_days: int | None) -> list[str]:
    """The share of the last day that is loaded, and the delay that labels need, if orders come late."""
    days = arrival["days_until_99_percent"]
    if days < 1 or (label_delay_days is not None and label_delay_days >= days):
        return []
    return [
        f"by earlier delays {arrival['last_day_share']:.1%} of the last day's orders are in, and 99 % only "
        f"after {days:.1f} days: set label_delay_days to {ceil(days)} in problem.yml, else the last labels "
        "say churned of some who ordered"
    ]


def describe_clocks(
    load: Path,
    data_clock: str | None,
    connection: duckdb.DuckDBPyConnection,
    label_delay_days: int | None = None,
) -> dict[str, Any]:
    """The part of a manifest about clocks: the clock of each table, the arrival of orders, and warnings."""
    clocks = table_clocks(load, connection)
    arrival = arrival_of_orders(load, clocks["orders"], connection)
    notes = notes_on_clocks(clocks, data_clock, arrival, label_delay_days)
    return {"clocks": clocks, "orders_arrive": arrival, "notes": notes}


def clocks_text(clocks: Clocks) -> str:
    """The clocks in one line."""
    return ", ".join(f"{name} {clock}" for name, clock in clocks.items() if clock)


__all__ = [
    "arrival_of_orders",
    "clocks_text",
    "days_behind",
    "delivered_until",
    "notes_on_clocks",
    "table_clocks",
]
