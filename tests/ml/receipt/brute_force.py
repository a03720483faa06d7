"""Which raw rows count for orders and spend of a window, row by row in plain Python from the raw folder."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Row = dict[str, Any]


class OrderRows:
    """The rows of a raw folder's orders, each with its number in the file."""

    def __init__(self, raw: Path) -> None:
        (self.file,) = sorted((raw / "orders").glob("*.parquet")) or [raw / "orders.parquet"]
        self.of: dict[str, dict[str, list[Row]]] = {}
        for number, row in enumerate(pq.read_table(self.file).to_pylist(), 1):
            row["number"] = number
            self.of.setdefault(row["customer_id"], {}).setdefault(row["order_id"], []).append(row)

    def counting(self, customer: str, asked: datetime, days: int) -> list[Row]:
        """The row that tells each kept order of the last ``days`` days, as known at ``asked``."""
        held = [version_at(rows, asked) for rows in self.of.get(customer, {}).values()]
        return [
            row
            for row in held
            if row and asked - timedelta(days=days) < row["ordered_at"] and is_kept(row, asked)
        ]


def version_at(rows: list[Row], asked: datetime) -> Row | None:
    """The row that told first what is known of an order at ``asked``; None while nothing is."""
    held: Row | None = None
    for row in sorted(rows, key=lambda row: (recorded_at(row), row["number"])):
        if max(recorded_at(row), row["ordered_at"]) <= asked and (
            held is None or content(row) != content(held)
        ):
            held = row
    return held


def recorded_at(row: Row) -> datetime:
    return row["loaded_at"] or row["ordered_at"]


def content(row: Row) -> list[Any]:
    """All that a row says, but for when it was told."""
    return [value for name, value in row.items() if name not in ("loaded_at", "number")]


def is_kept(row: Row, asked: datetime) -> bool:
    """Whether neither cancellation nor return has happened by ``asked``."""
    return not any(row[name] and row[name] <= asked for name in ("cancelled_at", "returned_at"))
