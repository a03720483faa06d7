"""Conflicts between rows of one key: differing duplicates, and versions that change a fixed column.

``read_<table>`` comes in, ``refused_<table>`` (file, row, reason) goes out. Only rows without a fault of
their own count, and only keys whose rows are not all alike.
"""

import duckdb

from ml.common.sql import literal
from ml.ingest.contract import Table
from ml.ingest.merges import find_refused_merges
from ml.ingest.row_checks import FAULT

# Contents are compared by 64-bit hashes, which saves memory: two rows of one key that differ and have the
# same hash are practically impossible. Earlier rows are probed with the new keys, because there are fewer of
# these.
DISPUTED = """
create table disputed_{name} as
select {key}
from (
    select {key}, hash({version}, {content}) as whole from read_{name} where {FAULT} is null
    {earlier_hashes}
)
group by all
having min(whole) <> max(whole)
"""

EARLIER_HASHES = """
    union all
    select {key}, hash({version}, {content}) as whole
    from {earlier} semi join (from read_{name} where {FAULT} is null) using ({key})
"""

# Rows of earlier loads come first, because they stay.
REFUSED = """
create table refused_{name} as
with contested as (
    select {columns}, _file, _row, {arrival_now} as arrival
    from read_{name} semi join disputed_{name} using ({key}) where {FAULT} is null
    {earlier_rows}
),
versions as (
    select {kept}, _file, _row, arrival, {version} as version, hash({content}) as content from contested
),
against_first as (
    select *, first(version) over first_known as first_version, {first_values}
    from versions
    window first_known as (partition by {key} order by arrival, version, _file, _row)
),
changes as (
    select *, nullif(concat_ws('; ', {changed}), '') as change from against_first
),
against_copy as (
    select *, first(content) over (partition by {key}, version order by arrival, _file, _row) as first_content
    from changes
    where change is null
)
select _file, _row, change as reason from changes where change is not null and arrival = {arrival_now}
union all
select _file, _row, {conflict} as reason
from against_copy
where content is distinct from first_content and arrival = {arrival_now}
"""

EARLIER, NOW = 0, 1


def find_conflicts(connection: duckdb.DuckDBPyConnection, table: Table, earlier: str | None) -> str:
    """Find the rows in conflict with another of their key; return the name of their table.

    Parameters
    ----------
    earlier : str, optional
        Relation of the rows loaded before, when this ingest appends to them.
    """
    if table.merges:
        return find_refused_merges(connection, table, earlier)
    fields = {
        "name": table.name,
        "key": ", ".join(table.key),
        "columns": ", ".join(table.names),
        "FAULT": FAULT,
        "earlier": earlier,
        "earlier_rows": earlier_rows(table, earlier),
        "arrival_now": NOW,
        "version": table.version_order,
        "kept": ", ".join(dict.fromkeys((*table.key, *table.fixed))),
        "content": ", ".join(table.content),
        "first_values": ", ".join(f"first({name}) over first_known as first_{name}" for name in table.fixed)
        or "0",
        "changed": ", ".join(change_of(name) for name in table.fixed) or "null",
        "conflict": literal(f"conflicting copy of {', '.join(table.key)}"),
    }
    fields["earlier_hashes"] = EARLIER_HASHES.format(**fields) if earlier else ""
    connection.execute(DISPUTED.format(**fields))
    connection.execute(REFUSED.format(**fields))
    return f"refused_{table.name}"


def change_of(name: str) -> str:
    """The reason if a later version changes ``name``; the next step handles duplicates of the first."""
    is_changed = f"version <> first_version and {name} <> first_{name}"
    return f"case when {is_changed} then {literal(f'version changes {name}')} end"


def earlier_rows(table: Table, earlier: str | None) -> str:
    """The rows loaded before that share a key with a new one."""
    if not earlier:
        return ""
    columns, key = ", ".join(table.names), ", ".join(table.key)
    return (
        f"union all select {columns}, _file, _row, {EARLIER} as arrival "
        f"from {earlier} semi join disputed_{table.name} using ({key})"
    )
