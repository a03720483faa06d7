"""Which rows of a load are older than a limit, by the declaration of its tables.

A fact is as old as its occurred instant; a state (a subscription) that has not ended by the limit stays, and
so do rows that refer to a row that stays. A customer stays who registered since, or has a fact that stays, or
merged with one who does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from ml.common.instants import parse_instant
from ml.common.sql import literal, parquet
from ml.erasure import parquet_rows
from ml.erasure.person import files_of, relation
from ml.ingest.contract import Table
from ml.ingest.declaration import customers_table, parent_of, raw_table, raw_tables, tables_of_customers
from ml.ingest.load import REJECTED
from ml.ingest.manifest import read_load_manifest
from ml.ingest.merges import merged_groups
from ml.ingest.waiting_rows import WAITING

FOREVER = "timestamp 'infinity'"
STAYING = """
create temp table staying as
with active as ({active}),
groups as ({groups})
select customer_id from active
union
select others.customer_id
from active
inner join groups as own on active.customer_id = own.customer_id
inner join groups as others on own.final_owner = others.final_owner
"""
NO_GROUPS = "select null::varchar as customer_id, null::varchar as final_owner where false"


@dataclass
class OldRows:
    """The rows that go.

    Parameters
    ----------
    files : list of (str, list of Path)
        SQL condition of a row that goes, and the files that it holds for.
    counts : dict
        Table to the rows that go and that stay.
    customers, rejected : int
        How many go.
    """

    files: list[tuple[str, list[Path]]] = field(default_factory=list)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    customers: int = 0
    rejected: int = 0

    @property
    def is_any(self) -> bool:
        return self.rejected > 0 or any(gone for gone, _ in self.counts.values())

    def erase(self, path: Path, fresh: Path, condition: str) -> int | None:
        """Write a file without the rows that go; None, and nothing written, without any."""
        return parquet_rows.erase_where(path, fresh, condition)


def find_old_rows(load: Path, limit: datetime, scratch: Path) -> OldRows:
    """The rows of a load that are older than a limit.

    Parameters
    ----------
    scratch : Path
        A folder for the keys that conditions refer to, which has to be there until the rows are gone.
    """
    old, instant = OldRows(), f"timestamp {literal(limit.isoformat(sep=' '))}"
    with duckdb.connect() as connection:
        conditions = {table.name: fact_goes(connection, load, table, instant, scratch) for table in facts()}
        staying = write_staying(connection, load, conditions, instant, scratch)
        for table in raw_tables():
            conditions[table.name] = goes(connection, table, load, conditions, staying, scratch)
            old.counts[table.name] = count(connection, load, table, conditions[table.name])
        for table in sorted(
            raw_tables(), key=lambda table: (table.is_of_customers, parent_of(table) is None)
        ):
            # What refers to a row goes before it, so that a killed run leaves nothing without its row.
            old.files.append((conditions[table.name], files_of([load], table.name)))
        old.customers = count_going_customers(connection, load, staying)
        for condition, file in rejected_files(load, limit, instant):
            old.files.append((condition, [file]))
            rows = f"from {parquet([file])} where {condition}"
            ((gone,),) = connection.execute(f"select count(*) {rows}").fetchall()
            old.rejected += gone
    return old


def count_going_customers(connection: duckdb.DuckDBPyConnection, load: Path, staying: str) -> int:
    """How many customers go."""
    customers = customers_table()
    key, rows = customers.key[0], relation(files_of([load], customers.name), customers)
    query = f"select count(distinct {key}) from {rows} where {key} not in (from {staying})"
    return int(connection.execute(query).fetchall()[0][0])


def facts() -> list[Table]:
    """The tables whose rows are a customer's and happened at an instant."""
    tables = [table for table in tables_of_customers() if table.customer and table.occurred]
    return [table for table in tables if not table.is_of_customers]


def fact_goes(
    connection: duckdb.DuckDBPyConnection, load: Path, table: Table, instant: str, scratch: Path
) -> str:
    """The SQL condition that a fact is older than the limit; a state is as old as its end."""
    is_old = f"coalesce({table.occurred} < {instant}, false)"
    if not table.ends_at:
        return is_old
    keys, file = ", ".join(table.key), scratch / f"{table.name}.parquet"
    ends = f"coalesce(arg_max_null({table.ends_at}, {table.version_order}), {FOREVER})"
    open_states = (
        f"select {keys} from {relation(files_of([load], table.name), table)} "
        f"group by {keys} having {ends} >= {instant}"
    )
    connection.execute(f"copy ({open_states}) to {literal(file)} (format parquet)")
    return f"{is_old} and ({keys}) not in (select ({keys}) from {parquet([file])})"


def write_staying(
    connection: duckdb.DuckDBPyConnection, load: Path, conditions: dict[str, str], instant: str, scratch: Path
) -> str:
    """Write the customers who stay; the relation of them."""
    customers = customers_table()
    rows = relation(files_of([load], customers.name), customers)
    active = [f"select {customers.key[0]} as customer_id from {rows} where {customers.occurred} >= {instant}"]
    for name, condition in conditions.items():
        table = raw_table(name)
        rows = relation(files_of([load], name), table)
        active.append(f"select {table.customer} from {rows} where not ({condition})")
    groups = merged_groups(load)
    fields = {"active": " union ".join(active), "groups": f"from {groups}" if groups else NO_GROUPS}
    connection.execute(STAYING.format(**fields))
    file = scratch / "staying customers.parquet"
    connection.execute(f"copy (from staying) to {literal(file)} (format parquet)")
    return parquet([file])


def goes(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    load: Path,
    conditions: dict[str, str],
    staying: str,
    scratch: Path,
) -> str:
    """The SQL condition that a row of any table goes."""
    if table.name in conditions:
        return conditions[table.name]
    if parent := parent_of(table):
        # A row whose parent is a fact that goes.
        rows, file = relation(files_of([load], parent.name), parent), scratch / f"old {parent.name}.parquet"
        keys = f"select distinct {parent.key[0]} from {rows} where {conditions[parent.name]}"
        connection.execute(f"copy ({keys}) to {literal(file)} (format parquet)")
        return f"{table.referring[0]} in (from {parquet([file])})"
    names = table.referring if table.merges else (str(table.customer),)
    return " or ".join(f"{name} not in (from {staying})" for name in names)


def count(connection: duckdb.DuckDBPyConnection, load: Path, table: Table, condition: str) -> tuple[int, int]:
    """The rows of a table that go and that stay."""
    rows = relation(files_of([load], table.name), table)
    query = f"select count(*) filter ({condition}), count(*) from {rows}"
    ((gone, every),) = connection.execute(query).fetchall()
    return int(gone), int(every - gone)


def rejected_files(load: Path, limit: datetime, instant: str) -> Iterator[tuple[str, Path]]:
    """The files of rejected and waiting rows, each with the condition of a row that goes.

    All of an ingest whose accepted rows are all older, else those whose own instant is.
    """
    for ingest in read_load_manifest(load)["ingests"]:
        clock = ingest["data_clock"]
        is_old = clock is not None and parse_instant(clock) < limit
        rejected = load / REJECTED / f"{ingest['load_id']}.parquet"
        if rejected.exists():
            yield "true" if is_old else rejected_goes(instant), rejected
        for table in raw_tables():
            waiting = load / WAITING / table.name / f"{ingest['load_id']}.parquet"
            if waiting.exists():
                has_instant = table.occurred in pq.read_schema(waiting).names
                own = f"coalesce({table.occurred} < {instant}, false)" if has_instant else "false"
                yield "true" if is_old else own, waiting


def rejected_goes(instant: str) -> str:
    """The SQL condition that a rejected row's own instant, if one can be read, is older than the limit."""
    cases = [
        f'("table" = {literal(table.name)} and {raw_instant(str(table.occurred))} < {instant})'
        for table in raw_tables()
        if table.occurred
    ]
    is_json = "json_valid(content)"
    return f"coalesce({is_json} and ({' or '.join(cases)}), false)"


def raw_instant(name: str) -> str:
    """The SQL of a raw instant in the content of a rejected row; null if it cannot be read."""
    return f"try_cast(json_extract_string(content, {literal('/' + name)}) as timestamp)"
