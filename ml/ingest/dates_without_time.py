"""Tables that have dates without a time of day: the instant such a fact is known, and how to detect them.

At midnight a row would be known before it happened. ``churn ingest --dates-known end-of-day`` makes it known
at the last microsecond of its day, by ``loaded_at``, which every later step reads.
"""

from pathlib import Path

import duckdb

from ml.common.sql import parquet
from ml.ingest.casts import from_utc, to_utc
from ml.ingest.contract import Table

END_OF_DAY = "end-of-day"
RECORDED = "loaded_at"
ROWS_MIN = 20  # fewer may be at midnight by chance
DAY_END = "interval 1 day - interval 1 microsecond"


def may_be_dates(table: Table) -> bool:
    """Whether a table has an occurred instant, and a ``loaded_at`` for the instant a row was known."""
    return table.occurred is not None and RECORDED in table.names


def has_only_dates(connection: duckdb.DuckDBPyConnection, relation: str, table: Table, zone: str) -> bool:
    """Whether every occurred instant is at midnight of the zone, and no row has ``loaded_at``."""
    local = from_utc(str(table.occurred), zone)
    query = f"""
        select count(*), count(*) filter ({local} = date_trunc('day', {local})), count({RECORDED})
        from {relation} where {table.occurred} is not null
    """
    rows, at_midnight, loaded = connection.execute(query).fetchall()[0]
    return bool(rows and rows == at_midnight and not loaded)


def known_at_day_end(table: Table, zone: str) -> str:
    """SQL for the recorded instant in UTC: the delivered one, else the last microsecond of its day."""
    occurred = str(table.occurred)
    day_end = f"date_trunc('day', {from_utc(occurred, zone)}) + {DAY_END}"
    return f"coalesce({table.version}, {to_utc(f'({day_end})', zone)})"


def note_on_dates(connection: duckdb.DuckDBPyConnection, table: Table, file: Path, zone: str) -> str | None:
    """A hint if a table seems to have dates only, and no row says when it was known."""
    if table.period or not may_be_dates(table) or not file.exists():
        return None
    rows = connection.execute(f"select count(*) from {parquet([file])}").fetchall()[0][0]
    if rows < ROWS_MIN or not has_only_dates(connection, parquet([file]), table, zone):
        return None
    return (
        f"every {table.occurred} of {table.name} is at midnight, so it may be a date without a time of day: "
        "with --dates-known end-of-day a row counts from the end of its day, and not before it happened"
    )
