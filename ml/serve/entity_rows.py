"""Entity rows of one customer, and the features of a row that comes back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa


def rows_at(customer: str, instants: Sequence[datetime]) -> pa.Table:
    """Entity rows of one customer."""
    return pa.table(
        {
            "customer_id": pa.array([customer] * len(instants), pa.string()),
            "event_timestamp": pa.array(instants, pa.timestamp("us")),
        }
    )


def without_keys(row: dict[str, Any]) -> dict[str, Any]:
    """The features of a row."""
    return {name: value for name, value in row.items() if name not in ("customer_id", "event_timestamp")}
