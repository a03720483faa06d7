"""The number of customers rows without ``updated_at``, which may hold the last state of all."""

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
    """The number of customers known by ``clock``, and of those with a row without ``updated_at``."""
    query = UNDATED.format(rows=relation_of(load / "customers"))
    with duckdb.connect() as connection:
        customers, undated = connection.execute(query, {"clock": clock}).fetchall()[0]
    return {"customers": customers, "undated": undated}
