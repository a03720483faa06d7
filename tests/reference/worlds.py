"""Small raw worlds as Parquet folders: written down by hand, or random and full of edge cases.

Every row obeys the contract: nothing here may be rejected by an ingest.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.reference.random_facts import END, random_customer, random_order, random_session, random_ticket
from tests.reference.raw import CONTRACT, VERSIONED

Row = dict[str, Any]
World = dict[str, list[Row]]

KEYS = {"customers": "customer_id", "customer_merges": "old_customer_id"} | {
    table: key for table, (key, _) in VERSIONED.items()
}
ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("us"),
    "DATE": pa.date32(),
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "DECIMAL(18,4)": pa.decimal128(18, 4),
}


def write_world(folder: Path, world: World, without: Iterable[str] = ()) -> Path:
    """Write each table of a world as `<table>.parquet` and return the folder.

    Columns a row does not name are null. `without` leaves out tables ("sessions") or columns
    ("orders.loaded_at"); without the instant that tells versions apart, the first row of each key stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    without = set(without)
    for table, rows in world.items():
        if table not in without:
            columns = [name for name in CONTRACT[table] if f"{table}.{name}" not in without]
            pq.write_table(
                _arrow(table, columns, _told_apart(table, rows, columns)), folder / f"{table}.parquet"
            )
    return folder


def _arrow(table: str, columns: list[str], rows: list[Row]) -> pa.Table:
    schema = pa.schema([(name, ARROW_TYPES[CONTRACT[table][name]]) for name in columns])
    return pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], schema=schema)


def _told_apart(table: str, rows: list[Row], columns: list[str]) -> list[Row]:
    version = {"customers": "updated_at", "customer_merges": "recorded_at"}.get(table, "loaded_at")
    if version in columns:
        return rows
    key = ("order_id", "line_number") if table == "order_items" else (KEYS[table],)
    return list({tuple(row[name] for name in key): row for row in reversed(rows)}.values())


def random_world(seed: int, customers: int = 120) -> World:
    """Return a random world of about two years; the same seed gives the same world.

    Its last fact is a session at `END`, after every other instant, so that its data clock is plain to see.
    """
    random = Random(seed)
    world: World = {table: [] for table in CONTRACT}
    for number in range(customers):
        _add_customer(world, random, f"c{number:04d}")
    last = {"session_id": "s-last", "customer_id": "c0000", "started_at": END, "page_views": 1}
    world["sessions"].append(last)
    for rows in world.values():
        random.shuffle(rows)
    return world


def _add_customer(world: World, random: Random, customer_id: str) -> None:
    versions = random_customer(random, customer_id)
    world["customers"] += versions
    busy = random.choice((0, 1, 3, 8, 30))
    around = versions[0]["registered_at"]
    for number in range(random.randint(0, busy)):
        orders, items = random_order(random, f"o-{customer_id}-{number}", customer_id, around)
        world["orders"] += orders
        world["order_items"] += items
    for number in range(random.randint(0, busy)):
        world["support_tickets"] += random_ticket(random, f"t-{customer_id}-{number}", customer_id, around)
    for number in range(random.randint(0, busy)):
        world["sessions"] += random_session(random, f"s-{customer_id}-{number}", customer_id, around)


def latest_instant(world: World) -> datetime:
    """Return the latest instant written anywhere in a world."""
    return max(
        value for rows in world.values() for row in rows for value in row.values() if type(value) is datetime
    )
