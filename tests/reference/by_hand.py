"""Worlds of a few rows, and what one customer's feature must be at instants of them."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.reference.brute_force import reference_features
from tests.reference.worlds import Row, World, write_world


def day(number: float, micros: int = 0) -> datetime:
    """Return the instant so many days and microseconds after the start of 2023."""
    return datetime(2023, 1, 1) + timedelta(days=number, microseconds=micros)


def customer(**columns: Any) -> Row:
    """Return customer "a", registered on day 0."""
    return {"customer_id": "a", "registered_at": day(0), **columns}


def order(number: int = 1, at: float = 10, **columns: Any) -> Row:
    """Return an order of customer "a" over 10, placed on day 10."""
    row = {"order_id": f"o{number}", "customer_id": "a", "ordered_at": day(at), "total_amount": Decimal(10)}
    return {**row, **columns}


def item(
    line: int = 1,
    category: str | None = "toys",
    quantity: str = "2",
    order_id: str = "o1",
    loaded_at: datetime | None = None,
) -> Row:
    """Return a line of order 1."""
    return {
        "order_id": order_id,
        "line_number": line,
        "product_id": "p",
        "category": category,
        "quantity": Decimal(quantity),
        "unit_price": Decimal(5),
        "loaded_at": loaded_at,
    }


def ticket(number: int = 1, at: float = 10, **columns: Any) -> Row:
    """Return a ticket of customer "a", opened on day 10."""
    return {"ticket_id": f"t{number}", "customer_id": "a", "opened_at": day(at), **columns}


def session(number: int = 1, at: float = 10, **columns: Any) -> Row:
    """Return a session of customer "a", started on day 10."""
    return {"session_id": f"s{number}", "customer_id": "a", "started_at": day(at), **columns}


def world(*rows: Row) -> World:
    """Return a world of these rows, each in its table; customer "a" is there if no customer is given."""
    keys = {"line_number": "order_items", "order_id": "orders", "ticket_id": "support_tickets"}
    keys |= {"session_id": "sessions", "customer_id": "customers"}
    tables: World = {table: [] for table in keys.values()}
    for row in rows:
        tables[next(table for key, table in keys.items() if key in row)].append(row)
    tables["customers"] = tables["customers"] or [customer()]
    return tables


def values(folder: Path, tables: World, feature: str, instants: list[datetime]) -> dict[datetime, Any]:
    """Return the feature of customer "a" at each instant."""
    asked = pa.table({"customer_id": ["a"] * len(instants), "event_timestamp": instants})
    found = reference_features(write_world(folder, tables), asked)
    return dict(zip(instants, found[feature].to_pylist(), strict=True))
