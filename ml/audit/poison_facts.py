"""The poison: absurd facts, each known only after its customer's instant, as rows of the raw tables.

The tables ``limits`` (customer_id, until, draw) and a copy of the raw rows come in; one more Parquet file for
each raw table goes out. Every row obeys the contract: nothing but time can keep it from a feature.

    new          happened after the instant
    late         happened at or before it, told after it
    corrections  of what was known by then, told after it: other amounts, losses, resolutions and scores, some
                 of which claim to have happened before it; and deletions
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from ml.audit.raw_facts import rows_with_customer
from ml.common.sql import literal
from ml.ingest.batch import relation_of
from ml.ingest.contract import Column, Kind, Table
from ml.ingest.declaration import parent_of, tables_of_customers

# A third is told a microsecond after the instant. Half the customers get new facts alone, so that their
# labels may not move either.
POISONED = """
create or replace temp table poisoned as
select
    customer_id,
    until,
    until + to_microseconds(1 + case when draw % 3 = 0 then 0 else draw // 16 % 3456000000000 end)
        as recorded_at,
    to_microseconds(case when draw % 5 = 0 then 0 else draw // 64 % 34560000000000 end) as back,
    (draw // 8 % 2 = 0) as is_corrected,
    draw
from (select * replace ((draw // 2)::bigint as draw) from limits) as halved
"""

# What some corrections say: the row was deleted, at the instant, when it was told, or as it was.
DELETED = """case hash({key}) // 64 % 4 when 0 then until when 1 then recorded_at else deleted_at end"""

# What a fact says that no feature may ever count.
ABSURD = {
    Kind.TEXT: "'poison'",
    Kind.DATE: "date '1901-01-01'",
    Kind.AMOUNT: "99999999",
    Kind.WHOLE: "1000000000",
    Kind.FLAG: "true",
}
NEW = """
select {new}
from poisoned
union all by name
select {late}
from poisoned
where is_corrected
"""
# Two rows of each new fact that a row without a customer refers to, and one late row of each known one.
NEW_BELOW = """
select {new}
from poisoned_parents, (select unnest([1, 2]) as number) as line
union all by name
select {late}
from known
inner join poisoned using (customer_id)
where is_corrected
"""
# The corrections of customers count only where an earlier version is known: the earliest one says what never
# changes.
CORRECTIONS = """
select known.* {without} replace ({replaced})
from known
inner join poisoned using (customer_id)
where {condition}
"""

# The version of each thing that was the latest one known at the customer's instant.
KNOWN = """
create or replace temp table known as
select {columns}
from {rows} as source
inner join limits using (customer_id)
where greatest({begins}, {version_order}) <= until
qualify row_number() over (partition by {key} order by {version_order} desc, {columns}) = 1
"""
WRITE = """
copy (
    select {columns}, 'poison' as _file, row_number() over () as _row
    from (select {nothing} where false union all by name {facts}) as facts
) to {file} (format parquet)
"""
WRITTEN_PARENTS = """
create or replace temp table poisoned_parents as
select {key}, {occurred} as parent_occurred from {rows} where starts_with({key}, 'poison ')
"""


def add_poison(connection: duckdb.DuckDBPyConnection, load: Path) -> int:
    """Add the poison for ``limits`` to a copy of the raw rows; how many rows."""
    connection.execute(POISONED)
    rows = 0
    for table in tables_of_customers():
        find_known(connection, table, load)
        if parent := parent_of(table):
            rows_of_parent = relation_of(load / parent.name)
            connection.execute(
                WRITTEN_PARENTS.format(key=parent.key[0], occurred=parent.occurred, rows=rows_of_parent)
            )
        count = connection.execute(write_statement(table, load / table.name / "poison.parquet")).fetchall()
        rows += count[0][0]
    return rows


def find_known(connection: duckdb.DuckDBPyConnection, table: Table, load: Path) -> None:
    """Make the table ``known``: what there was of each thing at its customer's instant."""
    names, begins = table.names, table.occurred
    if parent_of(table):
        names = (*names, "customer_id")
        begins = f"greatest({begins}, parent_known_at)" if begins else "parent_known_at"
    fields = {
        "columns": ", ".join(f"source.{name}" for name in names),
        "rows": rows_with_customer(table, load),
        "begins": begins,
        "version_order": table.version_order,
        "key": ", ".join(f"source.{name}" for name in table.key),
    }
    connection.execute(KNOWN.format(**fields))


def facts_of(table: Table) -> str:
    """The query for the poison of one table, as it is declared."""
    corrections = corrections_of(table)
    if table.is_of_customers:
        return corrections
    new = NEW_BELOW if parent_of(table) else NEW
    fields = {row_kind: ", ".join(new_columns(table, row_kind)) for row_kind in ("new", "late")}
    return f"{new.format(**fields)} union all by name {corrections}"


def absurd(column: Column) -> str:
    """A value of the column that is out of all proportion, and in its range."""
    return ABSURD[column.kind] if column.range is None else f"{column.range[1]:.15g}"


def new_columns(table: Table, kind: str) -> Iterator[str]:
    """The columns of rows that nobody knew of at the instant: ``new`` ones, or ``late`` ones."""
    parent, kinds = parent_of(table), {column.name: column.kind for column in table.columns}
    for column in table.columns:
        name = column.name
        if parent and name in (parent.key[0], *table.key):
            yield f"{child_key(name, kinds[name], parent.key[0], kind)} as {name}"
        elif name == table.customer:
            yield name
        elif name in table.key and name != table.occurred:
            yield f"'poison {kind} ' || customer_id as {name}"
        elif column.kind is not Kind.INSTANT:
            yield f"{absurd(column)} as {name}"
    # A day is over, and the row known, after the instant it begins at.
    recorded = kind == "late" or table.period
    if recorded:
        yield f"recorded_at as {table.version}"
    if parent:
        if table.occurred:
            yield f"{'parent_occurred' if kind == 'new' else 'until - back'} as {table.occurred}"
        return
    happened = "recorded_at" if kind == "new" else "until - back"
    if table.period:
        happened = f"date_trunc({literal(table.period)}, {happened})"
    yield f"{happened} as {table.occurred}"
    if not recorded:
        yield f"case when draw % 2 = 0 then recorded_at end as {table.version}"
    for number, (later, reference) in enumerate(table.ordered):
        if reference == table.occurred:
            ends = (f"recorded_at + interval '{number + 1} hours'", "until - back" if number % 2 else "until")
            yield f"case when draw // 3 % {3 + number} = 0 then {ends[kind == 'late']} end as {later}"


def child_key(name: str, kind: Kind, reference: str, row_kind: str) -> str:
    """A part of the key of a row that refers to another: a number, or a text, that no row has."""
    if name == reference:
        return name
    if kind is Kind.WHOLE:
        return "line.number" if row_kind == "new" else f"1000000 + hash({name}) % 1000000"
    return f"'poison ' || line.number || {reference}" if row_kind == "new" else f"'poison late ' || {name}"


def corrections_of(table: Table) -> str:
    """The query for rows that say something else of what was known, after the instant."""
    key, parent = ", ".join(table.key), parent_of(table)
    deleted = DELETED.format(key=key)
    if table.is_of_customers:
        deleted = f"case when is_corrected then {deleted} else deleted_at end"
    replaced = {table.version: "recorded_at", "deleted_at": deleted}
    fixed = {*table.key, *table.fixed, table.customer, parent and parent.key[0]}
    for column in table.columns:
        if column.kind is Kind.FLAG:
            replaced[column.name] = f"not coalesce({column.name}, false)"
        elif column.name not in fixed and column.kind is not Kind.INSTANT:
            replaced[column.name] = absurd(column)
    if table.is_of_customers and table.occurred:
        replaced[table.occurred] = f"{table.occurred} - interval '400 days'"
    for number, (later, follows) in enumerate(table.ordered):
        if follows == table.occurred:
            earlier = follows if number % 2 else f"greatest({follows}, until - interval '10 days')"
            replaced[later] = (
                f"case hash({key}) // {8**number} % 5 when 0 then null when 1 then until "
                f"when 2 then {earlier} when 3 then recorded_at else {later} end"
            )
    return CORRECTIONS.format(
        without="exclude (customer_id)" if parent else "",
        replaced=", ".join(f"{value} as {name}" for name, value in replaced.items()),
        condition="true" if table.is_of_customers else "is_corrected",
    )


def write_statement(table: Table, file: Path) -> str:
    """The statement that writes the poison of one table, in the contract's types."""
    return WRITE.format(
        columns=", ".join(
            f"{column.name}::{column.kind.sql_type} as {column.name}" for column in table.columns
        ),
        nothing=", ".join(f"null::{column.kind.sql_type} as {column.name}" for column in table.columns),
        facts=facts_of(table),
        file=literal(file),
    )
