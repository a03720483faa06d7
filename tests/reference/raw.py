"""The raw tables of a folder, as the contract names and types them, in a DuckDB connection.

A table is `<table>.parquet` or a folder `<table>/` of Parquet files. Tables and columns may be missing.
"""

from datetime import datetime
from pathlib import Path

import duckdb

from tests.reference.merges import Merges, create_first_known

CONTRACT: dict[str, dict[str, str]] = {
    "customers": {
        "customer_id": "VARCHAR",
        "registered_at": "TIMESTAMP",
        "birth_date": "DATE",
        "gender": "VARCHAR",
        "city": "VARCHAR",
        "country": "VARCHAR",
        "email": "VARCHAR",
        "acquisition_channel": "VARCHAR",
        "email_verified": "BOOLEAN",
        "phone_verified": "BOOLEAN",
        "updated_at": "TIMESTAMP",
        "deleted_at": "TIMESTAMP",
    },
    "orders": {
        "order_id": "VARCHAR",
        "customer_id": "VARCHAR",
        "ordered_at": "TIMESTAMP",
        "total_amount": "DECIMAL(18,4)",
        "discount_amount": "DECIMAL(18,4)",
        "payment_method": "VARCHAR",
        "channel": "VARCHAR",
        "cancelled_at": "TIMESTAMP",
        "returned_at": "TIMESTAMP",
        "loaded_at": "TIMESTAMP",
        "deleted_at": "TIMESTAMP",
    },
    "order_items": {
        "order_id": "VARCHAR",
        "line_number": "BIGINT",
        "product_id": "VARCHAR",
        "category": "VARCHAR",
        "quantity": "DECIMAL(18,4)",
        "unit_price": "DECIMAL(18,4)",
        "loaded_at": "TIMESTAMP",
        "deleted_at": "TIMESTAMP",
    },
    "support_tickets": {
        "ticket_id": "VARCHAR",
        "customer_id": "VARCHAR",
        "opened_at": "TIMESTAMP",
        "category": "VARCHAR",
        "channel": "VARCHAR",
        "resolved_at": "TIMESTAMP",
        "satisfaction_score": "BIGINT",
        "rated_at": "TIMESTAMP",
        "loaded_at": "TIMESTAMP",
        "deleted_at": "TIMESTAMP",
    },
    "sessions": {
        "session_id": "VARCHAR",
        "customer_id": "VARCHAR",
        "started_at": "TIMESTAMP",
        "duration_seconds": "DECIMAL(18,4)",
        "page_views": "BIGINT",
        "loaded_at": "TIMESTAMP",
        "deleted_at": "TIMESTAMP",
    },
    "customer_merges": {
        "old_customer_id": "VARCHAR",
        "new_customer_id": "VARCHAR",
        "recorded_at": "TIMESTAMP",
    },
}

# table: (key, occurred instant) of the facts that come in versions
VERSIONED = {
    "orders": ("order_id", "ordered_at"),
    "support_tickets": ("ticket_id", "opened_at"),
    "sessions": ("session_id", "started_at"),
}


def open_raw(folder: Path, known_by: datetime = datetime.max) -> duckdb.DuckDBPyConnection:
    """Return a connection with the raw tables, `<table>_versions`, `registrations` and `first_known`.

    Merges recorded after `known_by` are not known yet.
    """
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    for table in CONTRACT:
        _load(connection, folder, table)
    for table in VERSIONED:
        connection.execute(f"create table {table}_versions as {versions_sql(table)}")
    connection.execute(f"create table registrations as {REGISTRATIONS_SQL}")
    create_first_known(connection, Merges(connection, known_by))
    return connection


def _load(connection: duckdb.DuckDBPyConnection, folder: Path, table: str) -> None:
    columns = CONTRACT[table]
    source = _source(folder, table)
    given = (
        set() if source is None else {row[0] for row in connection.execute(f"describe {source}").fetchall()}
    )
    casts = [
        f"cast({name if name in given else 'null'} as {kind}) as {name}" for name, kind in columns.items()
    ]
    rows = source or "select 1 where false"
    connection.execute(f"create table {table} as select {', '.join(casts)} from ({rows})")


def _source(folder: Path, table: str) -> str | None:
    if (folder / f"{table}.parquet").exists():
        return f"from read_parquet('{folder / table}.parquet')"
    if any((folder / table).glob("*.parquet")):
        return f"from read_parquet('{folder / table}/*.parquet', union_by_name = true)"
    return None


def versions_sql(table: str) -> str:
    """Return the versions of a fact, copies left out.

    Each has `version_at` (which of two versions is the later) and `known_at` (from when it can hold). A row
    whose content equals that of the version just before it says nothing new: the earlier one stays.
    """
    key, occurred = VERSIONED[table]
    content = ", ".join(f"{name} := {name}" for name in CONTRACT[table] if name != "loaded_at")
    return f"""
    with timed as (
        select
            *,
            coalesce(loaded_at, {occurred}) as version_at,
            greatest({occurred}, coalesce(loaded_at, {occurred})) as known_at,
            struct_pack({content}) as content
        from {table}
    ),
    beside_the_version_before as (
        select *, lag(content) over (partition by {key} order by version_at) as content_before from timed
    )
    select * exclude (content, content_before)
    from beside_the_version_before
    where content is distinct from content_before
    """


# Registration and birth date do not change: as a customer's earliest version gives them.
REGISTRATIONS_SQL = """
select customer_id, registered_at, birth_date
from customers
qualify row_number() over (partition by customer_id order by coalesce(updated_at, registered_at)) = 1
"""


def known_sql(table: str) -> str:
    """Return, for each entity row, the version of every fact that holds at the as-of instant `t`.

    A fact whose version then says that it was deleted by `t` is left out. It is of who owns its key then.
    """
    key, _ = VERSIONED[table]
    return f"""
    select * from (
        select asked_row, t, versions.*
        from existing
        inner join owned_keys using (asked_row)
        inner join {table}_versions as versions on versions.customer_id = owned_keys.key
        where versions.known_at <= t
        qualify
            row_number() over (partition by asked_row, versions.{key} order by versions.version_at desc) = 1
    )
    where not {happened("deleted_at")}
    """


def within(instant: str, days: int) -> str:
    """Return the condition that an instant is after `t - days`, and at `t` at the latest."""
    return f"({instant} > t - interval {days} day and {instant} <= t)"


def happened(instant: str) -> str:
    """Return the condition, never null, that an instant is given and is at or before `t`."""
    return f"coalesce({instant} <= t, false)"
