"""Raw worlds in parts that come one after another, and homes that take them in."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build
from tests.reference.raw import VERSIONED
from tests.reference.worlds import Row, World, write_world

KINDS = {"customers": ("registered_at", "updated_at")} | {
    table: (occurred, "loaded_at") for table, (_, occurred, *_) in VERSIONED.items()
}


def recorded_at(table: str, row: Row) -> datetime:
    if table == "customer_merges":
        return row["recorded_at"]
    occurred, version = KINDS[table]
    return row.get(version) or row[occurred]


def customers_of(table: str, row: Row) -> tuple[str, ...]:
    """Whose row it is: a merge is of two."""
    if table == "customer_merges":
        return (row["old_customer_id"], row["new_customer_id"])
    return (row["customer_id"],)


def parted(world: World, place: Callable[[str, Row], int], parts: int) -> list[World]:
    """The world in parts; an order's items come with its first version."""
    made: list[World] = [{table: [] for table in world} for _ in range(parts)]
    first: dict[str, int] = {}
    for table in ("customers", "orders", "support_tickets", "sessions", "customer_merges"):
        for row in world.get(table, ()):
            part = place(table, row)
            made[part][table].append(row)
            if table == "orders":
                first[row["order_id"]] = min(first.get(row["order_id"], parts), part)
    for row in world["order_items"]:
        part = place("order_items", row) if row.get("loaded_at") else 0
        made[max(first[row["order_id"]], part)]["order_items"].append(row)
    return made


def in_time(world: World, *instants: datetime) -> list[World]:
    """What was told up to each instant, then the rest; nobody's facts come before their customer row."""
    earliest: dict[str, datetime] = {}
    for row in world["customers"]:
        known = recorded_at("customers", row)
        earliest[row["customer_id"]] = min(earliest.get(row["customer_id"], known), known)

    def place(table: str, row: Row) -> int:
        if table == "order_items":
            return sum(row["loaded_at"] > instant for instant in instants)
        told = max(recorded_at(table, row), *(earliest[customer] for customer in customers_of(table, row)))
        return sum(told > instant for instant in instants)

    return parted(world, place, len(instants) + 1)


def at_random(world: World, parts: int, seed: int) -> list[World]:
    """Rows in any part, whatever their instants: most come late; a third of the customers get nothing new."""
    random = Random(seed)
    later = {row["customer_id"]: random.random() < 0.66 for row in world["customers"]}

    def place(table: str, row: Row) -> int:
        if table == "order_items":
            return random.randrange(parts)
        if table == "customers" or not any(map(later.get, customers_of(table, row))) or random.random() < 0.7:
            return 0
        return random.randrange(parts)

    return parted(world, place, parts)


def add(home: Path, folder: Path, world: World) -> dict[str, Any]:
    """Ingest ``world`` on top of what there is, and build."""
    write_world(folder, world)
    ingest(str(folder), home=home, append=True, max_rejected=0.0)
    return build(home=home)


def folder_of(home: Path, record: dict[str, Any]) -> Path:
    return Home.at(home).builds / record["build_id"]
