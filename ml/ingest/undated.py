"""Customers rows without ``updated_at``: how many there are, for what they say may be the end of history."""

from datetime import datetime
from pathlib import Path

import duckdb

from ml.ingest.batch import relation_of

UNDATED = """
select count(distinct customer_id), count(distinct customer_id) filter (updated_at is null)
from {rows}
where coalesce(updated_at, registered_at) <= $clock
"""


def undated_customers(load: Path, clock: datetime | None) -> dict[str, int]:
    """How many customers are known by ``clock``, and how many of them have a row without ``updated_at``."""
    query = UNDATED.format(rows=relation_of(load / "customers"))
    with duckdb.connect() as connection:
        customers, undated = connection.execute(query, {"clock": clock}).fetchall()[0]
    return {"customers": customers, "undated": undated}
