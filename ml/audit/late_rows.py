"""Raw rows that came after a build was made, though by their own clocks it should have had them.

The raw tables of two builds come in, and the customers whose history moved; breaches go out, which name the
rows by file and number.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from ml.audit.findings import Audit, Breach
from ml.common.counting import counted
from ml.common.instants import format_instant
from ml.common.sql import literal, parquet
from ml.home.build_manifest import read_build_manifest
from ml.ingest.batch import with_columns
from ml.ingest.contract import ORDERS, TABLES, Table
from ml.ingest.manifest import RECORD, read_record

NAMED = 3
Row: TypeAlias = tuple[Any, ...]
MOVED = "create or replace temp table moved as select unnest($customers::varchar[]) as customer_id"
# A row with what it says of the time up to an instant: whose, known since when, and a hash of its content.
FACTS = """
select
    source.customer_id, {known_at} as known_at, {recorded_at} as recorded_at, hash({content}) as content,
    _file, _row
from {rows} as source
semi join moved using (customer_id)
where {known_at} <= {until}
"""
# An item is known with its order, or later where it says so.
ITEMS = """
select
    orders.customer_id, greatest(orders.known_at, {recorded_at}) as known_at, {recorded_at} as recorded_at,
    hash({content}) as content, _file, _row
from {rows} as source
inner join (
    select order_id, min(customer_id) as customer_id, min({order_known_at}) as known_at
    from {orders}
    semi join moved using (customer_id)
    group by order_id
) as orders using (order_id)
where greatest(orders.known_at, {recorded_at}) <= {until}
"""
ON_ONE_SIDE = """
select customer_id, known_at, recorded_at is not null, _file, _row
from ({these})
anti join (select content from ({others})) as others using (content)
order by recorded_at is not null, known_at, _file, _row
"""
WITHOUT_CLOCK = {
    "customers": "without updated_at, so that they count as known since registration",
    "order_items": "without loaded_at, so that they count as known since their order was",
}
NO_LOADED_AT = "without loaded_at, so that they count as known since they happened"
CLOCK_BEFORE = "whose clock says that they were known by then"


def late_rows(
    audit: Audit,
    connection: duckdb.DuckDBPyConnection,
    earlier: Path,
    until: datetime,
    customers: Iterable[str],
) -> tuple[Breach, ...]:
    """The rows of ``customers`` known at or before ``until`` that ``earlier`` was not made from."""
    load = read_build_manifest(earlier)["load_id"]
    if not (audit.load / RECORD).is_file():
        return ()
    connection.execute(MOVED, {"customers": sorted(customers)})
    found: list[Breach] = []
    for table in TABLES:
        before, now = files_before(audit, load, table), files_in(audit.load, table)
        if before and before != now:
            sides = [facts(audit.load, table, files, until) for files in (before, now)]
            gone, came = (
                connection.execute(ON_ONE_SIDE.format(these=these, others=others)).fetchall()
                for these, others in (sides, reversed(sides))
            )
            found += breaches_in(table, earlier.name, until, came, gone)
    return tuple(found)


def files_in(load: Path, table: Table) -> list[Path]:
    """The files of one table of a load."""
    return sorted((load / table.name).glob("*.parquet"))


def files_before(audit: Audit, load: str, table: Table) -> list[Path]:
    """The files that an earlier build was made from; none when that cannot be told any more."""
    if (audit.home.raw / load / RECORD).is_file():
        return files_in(audit.home.raw / load, table)
    loads = [ingest["load_id"] for ingest in read_record(audit.load)["ingests"]]
    earlier = loads[: loads.index(load) + 1] if load in loads else []
    return [file for file in files_in(audit.load, table) if file.stem in earlier]


def facts(load: Path, table: Table, files: Sequence[Path], until: datetime) -> str:
    """The query for the rows of one table that count at ``until``; items take their orders from ``load``."""
    return (FACTS if table.occurred else ITEMS).format(
        rows=with_columns(table, relation(files)),
        orders=relation(files_in(load, ORDERS)),
        known_at=known_at(table),
        order_known_at=known_at(ORDERS),
        recorded_at=f"source.{table.version}",
        until=moment(until),
        content=", ".join(
            f"source.{name}" if not later(table, name) else by(name, until) for name in table.names
        ),
    )


def known_at(table: Table) -> str:
    """When a row of the table was known, in SQL."""
    told = table.version_order
    return told if table.name == "customers" else f"greatest({table.occurred}, {told})"


def later(table: Table, name: str) -> bool:
    """Whether a column holds an instant of something that happens later to the row."""
    return name in table.instants and name not in (table.occurred, table.version)


def by(name: str, until: datetime) -> str:
    """A later instant, if it has come by then: what comes after is no news of the past."""
    return f"case when source.{name} <= {moment(until)} then source.{name} end"


def moment(instant: datetime) -> str:
    """An instant in SQL."""
    return f"timestamp {literal(instant)}"


def relation(files: Sequence[Path]) -> str:
    """The rows of files that may have columns of their own."""
    return parquet(files, "union_by_name = true")


def breaches_in(
    table: Table, earlier: str, until: datetime, came: Sequence[Row], gone: Sequence[Row]
) -> list[Breach]:
    """One breach for the new rows without a clock of their own, one for the others, one for those gone."""
    then = f"by {format_instant(until)}"
    without = WITHOUT_CLOCK.get(table.name, NO_LOADED_AT)
    parts = [
        (f"{without}, came only after {earlier} was made", [row for row in came if not row[2]]),
        (f"{CLOCK_BEFORE}, came only after {earlier} was made", [row for row in came if row[2]]),
        (f"that {earlier} was made from are gone or say something else", gone),
    ]
    return [breach(table, why.replace("by then", then), rows) for why, rows in parts if rows]


def breach(table: Table, why: str, rows: Sequence[Row]) -> Breach:
    """Name the first rows."""
    customer, known, _, file, number = rows[0]
    return Breach(
        f"{table.name}: {counted(len(rows), 'row')} {why}: {named(rows)}",
        {"customer_id": customer, "table": table.name, "file": file, "row": number, "known_at": known},
        len(rows),
    )


def named(rows: Sequence[Row]) -> str:
    """The first few rows by file and number."""
    said = ", ".join(f"row {row[4]} of {row[3]}" for row in rows[:NAMED])
    return said + (f" and {len(rows) - NAMED:,d} more" if len(rows) > NAMED else "")
