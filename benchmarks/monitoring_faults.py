"""Faults planted in the raw rows of a shop, from an instant on, as a company's systems would make them.

Each is SQL over one folder of raw tables: statements whose tables are those of the folder. ``F`` is the
instant of the fault. Next: ``monitoring``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

TABLES = ("customers", "orders", "order_items", "support_tickets", "sessions")
KNOWN = {
    "orders": "greatest(ordered_at, coalesce(loaded_at, ordered_at))",
    "sessions": "greatest(started_at, coalesce(loaded_at, started_at))",
    "support_tickets": "greatest(opened_at, coalesce(loaded_at, opened_at))",
}
OCCURRED = {"orders": "ordered_at", "sessions": "started_at", "support_tickets": "opened_at"}
AT = re.compile(r"\bF\b")
SOME = "hash(customer_id) % 100 < {percent}"
ORPHANS = "delete from order_items where order_id not in (select order_id from orders)"


@dataclass(frozen=True)
class Fault:
    """A fault: what it is, its statements, and the kinds of cause that name it."""

    name: str
    statements: tuple[str, ...]
    kinds: tuple[str, ...]


def silence(condition: str) -> tuple[str, ...]:
    """Customers of whom nothing happens any more."""
    return (
        *(f"delete from {table} where {at} >= F and {condition}" for table, at in OCCURRED.items()),
        ORPHANS,
    )


def late(table: str, days: int) -> tuple[str, ...]:
    """Rows of a table that become known so much later; what is not known by the end is not there."""
    return (
        f"update {table} set loaded_at = coalesce(loaded_at, {OCCURRED[table]}) + interval {days} day "
        f"where {KNOWN[table]} >= F",
        f"delete from {table} where {KNOWN[table]} > timestamp '2024-12-31 23:59:59'",
        ORPHANS,
    )


FAULTS = (
    Fault(
        "the feed of orders stops",
        (f"delete from orders where {KNOWN['orders']} >= F", ORPHANS),
        ("feed stopped",),
    ),
    Fault(
        "the feed of sessions stops",
        (f"delete from sessions where {KNOWN['sessions']} >= F",),
        ("feed stopped",),
    ),
    Fault("orders come five days late", late("orders", 5), ("feed late",)),
    Fault(
        "amounts in cents",
        ("update orders set total_amount = total_amount * 100 where ordered_at >= F",),
        ("unit changed",),
    ),
    Fault(
        "prices rise by half",
        ("update orders set total_amount = total_amount * 1.5 where ordered_at >= F",),
        ("size changed",),
    ),
    Fault(
        "orders are loaded twice",
        (
            "insert into order_items by name select * replace (order_id || '-2' as order_id) "
            "from order_items "
            "where order_id in (select order_id from orders where ordered_at >= F)",
            "insert into orders by name select * replace (order_id || '-2' as order_id) from orders "
            "where ordered_at >= F",
        ),
        ("rows twice",),
    ),
    Fault(
        "a new value of the orders' channel",
        ("update orders set channel = 'kiosk' where ordered_at >= F and hash(order_id) % 100 < 30",),
        ("new category",),
    ),
    Fault(
        "the acquisition channel becomes null",
        (
            "insert into customers by name select * replace (F as updated_at, null as acquisition_channel) "
            "from customers where updated_at < F qualify row_number() over (partition by customer_id "
            "order by updated_at desc) = 1",
        ),
        ("nulls",),
    ),
    Fault("four of ten customers leave", silence(SOME.format(percent=40)), ("customers changed",)),
    Fault(
        "a segment vanishes",
        silence("customer_id in (select customer_id from customers where acquisition_channel = 'organic')"),
        ("segment vanished",),
    ),
    Fault(
        "customers order half as often",
        ("delete from orders where ordered_at >= F and hash(order_id) % 100 < 50", ORPHANS),
        ("rows changed",),
    ),
    Fault(
        "a wave of tickets",
        (
            "insert into support_tickets by name select 'W' || customer_id as ticket_id, customer_id, "
            "F + to_hours((hash(customer_id) % 1000)::int) as opened_at, 'delivery' as category, "
            "'email' as channel "
            "from (select distinct customer_id from orders where ordered_at < F) where "
            + SOME.format(percent=30),
        ),
        ("rows changed", "mix changed"),
    ),
    Fault(
        "orders are an hour ahead",
        (
            "update orders set ordered_at = ordered_at + interval 1 hour, "
            "loaded_at = loaded_at + interval 1 hour "
            "where ordered_at >= F and ordered_at < timestamp '2024-12-31 22:00'",
        ),
        (),
    ),
)


def plant(source: Path, folder: Path, fault: Fault, instant: str) -> None:
    """Write the raw tables of ``source`` with a fault to ``folder``."""
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        for table in TABLES:
            connection.execute(f"create table {table} as from '{source}/{table}.parquet'")
        for statement in fault.statements:
            connection.execute(AT.sub(f"timestamp '{instant}'", statement))
        for table in TABLES:
            connection.execute(f"copy {table} to '{folder}/{table}.parquet' (format parquet)")
