"""Tables that give dates without a time of day: when such a fact is known, and how to see such a table.

Rows taken at midnight would be known before they happened. ``churn ingest --dates-known end-of-day`` makes
them known at the last microsecond of their day, by ``loaded_at``, which every later step reads.
"""

from pathlib import Path

import duckdb

from ml.common.instant_grammar import parse_offset
from ml.common.sql import literal, parquet
from ml.ingest.contract import Table

END_OF_DAY = "end-of-day"
RECORDED = "loaded_at"
FEWEST_ROWS = 20  # fewer may lie at midnight by chance
DAY_END = "interval 1 day - interval 1 microsecond"


def may_be_dates(table: Table) -> bool:
    """Whether a table has an occurred instant, and a ``loaded_at`` that can say when a row was known."""
    return table.occurred is not None and RECORDED in table.names


def has_only_dates(connection: duckdb.DuckDBPyConnection, relation: str, table: Table, zone: str) -> bool:
    """Whether every occurred instant lies at midnight of the zone, and no row says when it was loaded."""
    local = in_zone(str(table.occurred), zone)
    query = f"""
        select count(*), count(*) filter ({local} = date_trunc('day', {local})), count({RECORDED})
        from {relation} where {table.occurred} is not null
    """
    rows, at_midnight, loaded = connection.execute(query).fetchall()[0]
    return bool(rows and rows == at_midnight and not loaded)


def known_at_day_end(table: Table, zone: str) -> str:
    """SQL for ``loaded_at``: as delivered, else the last microsecond of the occurred day, in UTC."""
    occurred = str(table.occurred)
    day_end = f"date_trunc('day', {in_zone(occurred, zone)}) + {DAY_END}"
    return f"coalesce({RECORDED}, {to_utc(day_end, zone)})"


def in_zone(instant: str, zone: str) -> str:
    """SQL for a UTC instant as the clocks of ``zone`` showed it."""
    if (offset := parse_offset(zone)) is not None:
        return f"({instant} + interval {int(offset.total_seconds())} second)"
    return f"(({instant} at time zone 'UTC') at time zone {literal(zone)})"


def to_utc(local: str, zone: str) -> str:
    """SQL for what the clocks of ``zone`` showed, as a UTC instant."""
    if (offset := parse_offset(zone)) is not None:
        return f"(({local}) - interval {int(offset.total_seconds())} second)"
    return f"((({local}) at time zone {literal(zone)}) at time zone 'UTC')"


def note_on_dates(connection: duckdb.DuckDBPyConnection, table: Table, file: Path, zone: str) -> str | None:
    """A hint where a table looks like dates, and nothing says when its rows were known."""
    if not may_be_dates(table) or not file.exists():
        return None
    rows = connection.execute(f"select count(*) from {parquet([file])}").fetchall()[0][0]
    if rows < FEWEST_ROWS or not has_only_dates(connection, parquet([file]), table, zone):
        return None
    return (
        f"every {table.occurred} of {table.name} is at midnight, so it may be a date without a time of day: "
        "with --dates-known end-of-day a row counts from the end of its day, and not before it happened"
    )
