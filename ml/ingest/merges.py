"""Merges of customers: which rows are refused, and which customers the others join.

``read_<table>`` comes in, ``refused_<table>`` (file, row, reason) goes out, as ``duplicates`` makes it of
other tables. Of a load, the relation of the customers joined by merges goes out: they are selected together.
"""

from datetime import datetime
from pathlib import Path

import duckdb

from ml.common.sql import literal
from ml.ingest.batch import rows_of
from ml.ingest.contract import Table
from ml.ingest.declaration import merges_table
from ml.ingest.row_checks import FAULT

MERGED_BEFORE = "the customer has merged before"
CLOSES_A_CIRCLE = "closes a circle of merges"

# Every customer that a merge joins to others, with the one at the end of its chain.
GROUPS = """(
    with recursive merges as (select distinct {old} as merged_id, {new} as owner_id from {rows}),
    chains as (
        from merges
        union
        select chains.merged_id, merges.owner_id
        from chains inner join merges on chains.owner_id = merges.merged_id
    ),
    ends as (from chains where owner_id not in (select merged_id from merges))
    select merged_id as customer_id, owner_id as final_owner from ends
    union
    select owner_id, owner_id from ends
)"""

NO_GROUPS = "(select null::varchar as customer_id, null::varchar as final_owner where false)"

# The customers joined by merges to one of those in a table, beside them.
JOINED = """
insert into {customers}
select distinct others.customer_id
from {customers}
inner join {groups} as own using (customer_id)
inner join {groups} as others using (final_owner)
where others.customer_id not in (select customer_id from {customers})
"""


def find_refused_merges(connection: duckdb.DuckDBPyConnection, table: Table, earlier: str | None) -> str:
    """Find the merges of customers who merged before, and those that close a circle; the name of their table.

    Rows loaded before stay. Of those that come together the one recorded first counts, whatever their order
    in the files.
    """
    connection.execute(f"create table refused_{table.name} (_file varchar, _row bigint, reason varchar)")
    if table.merges is None:
        return f"refused_{table.name}"
    columns = f"{table.merges.old}, {table.merges.new}, {table.version}"
    merged: dict[str, tuple[str, datetime]] = {}
    # The end of the chain as it was last followed: most merges are found in one step.
    ends: dict[str, str] = {}
    if earlier:
        for old, new, recorded_at in connection.execute(f"select {columns} from {earlier}").fetchall():
            merged[old], ends[old] = (new, recorded_at), new
    rows = connection.execute(
        f"select _file, _row, {columns} from read_{table.name} where {FAULT} is null "
        f"order by {table.version}, _file, _row"
    ).fetchall()
    refused = []
    for file, row, old, new, recorded_at in rows:
        if old in merged:
            if merged[old] != (new, recorded_at):
                refused.append((file, row, MERGED_BEFORE))
        elif end_of_chain(new, ends) == old:
            refused.append((file, row, CLOSES_A_CIRCLE))
        else:
            merged[old], ends[old] = (new, recorded_at), new
    if refused:
        connection.executemany(f"insert into refused_{table.name} values (?, ?, ?)", refused)
    return f"refused_{table.name}"


def end_of_chain(customer: str, ends: dict[str, str]) -> str:
    """The customer at the end of a chain of merges; the way there is shortened in ``ends``."""
    passed = []
    while customer in ends:
        passed.append(customer)
        customer = ends[customer]
    for earlier in passed:
        ends[earlier] = customer
    return customer


def merge_rows(load: Path, known_by: datetime | None = None) -> tuple[Table, str] | None:
    """The table of merges, and the relation of its rows in a load; None where there are none.

    Parameters
    ----------
    load : Path
    known_by : datetime, optional
        Merges recorded later are left out.
    """
    table = merges_table()
    if table is None or not any((load / table.name).glob("*.parquet")):
        return None
    rows = rows_of(table, load / table.name)
    if known_by:
        rows = f"(from {rows} where {table.version} <= timestamp {literal(known_by)})"
    with duckdb.connect() as connection:
        is_empty = not connection.execute(f"select 1 from {rows} limit 1").fetchall()
    return None if is_empty else (table, rows)


def merged_groups(load: Path, known_by: datetime | None = None) -> str | None:
    """A relation of the customers that merges join: customer_id, final_owner; None without merges."""
    if (found := merge_rows(load, known_by)) is None or (merges := found[0].merges) is None:
        return None
    return GROUPS.format(old=merges.old, new=merges.new, rows=found[1])


def add_joined(connection: duckdb.DuckDBPyConnection, customers: str, load: Path) -> None:
    """Add to a table of one column, customer_id, the customers whom merges join to those in it."""
    if groups := merged_groups(load):
        connection.execute(JOINED.format(customers=customers, groups=groups))
