"""The fewest raw rows that still show a difference between the engines, by delta debugging.

The model at fault is the first in order of dependence whose tables differ. What it reads is equal on both
engines, so DuckDB makes that from the raw rows at hand in milliseconds, and Spark runs one query over it.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
import pyarrow as pa

from ml.audit.engine_differences import count_of_differences
from ml.audit.spark_session import SparkSql
from ml.common.errors import BuildError
from ml.ingest.batch import relation_of
from ml.ingest.declaration import customers_table, raw_tables
from ml.warehouse.compiled_models import Models
from ml.warehouse.customer_tables import CustomerTables

Item = TypeVar("Item")
# A raw row by the file it was loaded from, its source and its number there.
IDENTITY = "(coalesce(_load, ''), coalesce(_file, ''), coalesce(_row, -1))"


class RawRow(NamedTuple):
    """One raw row: its table and where it came from."""

    table: str
    load: str
    file: str
    row: int


def fewest(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """A part of ``items`` that fails, and no longer does without any one of them.

    The algorithm is ddmin of Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (IEEE
    TSE 28(2), 2002). ``items`` as a whole must fail.
    """
    remaining, parts = list(items), 2
    while len(remaining) > 1:
        bounds = [len(remaining) * number // parts for number in range(parts + 1)]
        pairs = list(pairwise(bounds))
        chunks = [remaining[start:end] for start, end in pairs]
        rests = [remaining[:start] + remaining[end:] for start, end in pairs] if parts > 2 else []
        if chunk := next((chunk for chunk in chunks if fails(chunk)), None):
            remaining, parts = chunk, 2
        elif rest := next((rest for rest in rests if fails(rest)), None):
            remaining, parts = rest, parts - 1
        elif parts == len(remaining):
            break
        else:
            parts = min(len(remaining), parts * 2)
    return remaining


class SomeRawRows(CustomerTables):
    """The tables that DuckDB makes from some raw rows of some customers; all of them where none are named."""

    def __init__(
        self, models: Models, load: Path, customers: Sequence[str], rows: Sequence[RawRow] | None = None
    ) -> None:
        super().__init__(models, load, customers)
        self.chosen_rows = rows

    def raw(self, table: str) -> str:
        """Make these rows of a raw table, unless they are there; its name in SQL."""
        is_new = f"raw_rows.{table}" not in self.table_names
        name = super().raw(table)
        if is_new and self.chosen_rows is not None:
            chosen = [row[1:] for row in self.chosen_rows if row.table == table]
            self.connection.execute(
                "create or replace temp table chosen_rows (load varchar, file varchar, row bigint)"
            )
            if chosen:
                self.connection.executemany("insert into chosen_rows values (?, ?, ?)", chosen)
            self.connection.execute(
                f"delete from {name} where {IDENTITY} not in (select (load, file, row) from chosen_rows)"
            )
        return name

    def needed_rows(self) -> list[RawRow]:
        """The raw rows that were needed so far."""
        tables = [table.name for table in raw_tables() if f"raw_rows.{table.name}" in self.table_names]
        return [
            RawRow(table, *row)
            for table in tables
            for row in self.connection.execute(
                f"select unnest({IDENTITY.replace('(', 'row(', 1)}) from raw_rows.{table} order by all"
            ).fetchall()
        ]


class Probe:
    """Whether one model still differs between the engines on fewer raw rows.

    Parameters
    ----------
    name : str
        The model.
    ours, theirs : Models
        As compiled for DuckDB and for Spark.
    load : Path
    spark : SparkSql
    """

    def __init__(self, name: str, ours: Models, theirs: Models, load: Path, spark: SparkSql) -> None:
        self.name, self.ours, self.load, self.spark = name, ours, load, spark
        model = theirs.named(name)
        self.views = {parent.table: parent.name for parent in theirs.parents(model)}
        self.sources = {relation: table for table, relation in theirs.sources(model)}
        self.views |= {relation: f"raw_{table}" for relation, table in self.sources.items()}
        self.sql = model.sql
        for relation, view in self.views.items():
            self.sql = re.sub(rf"{re.escape(relation)}\b", view, self.sql)

    def differs(self, customers: Sequence[str], rows: Sequence[RawRow] | None = None) -> bool:
        """Whether the model's tables differ; not where either engine cannot make it from these rows."""
        with SomeRawRows(self.ours, self.load, customers, rows) as tables:
            try:
                ours = arrow(tables, f"from {tables.model(self.name)}")
                inputs = {name: self.input(tables, relation) for relation, name in self.views.items()}
                theirs = self.spark.rows(self.sql, inputs)
            except BuildError:
                return False
            with duckdb.connect() as connection:
                connection.execute("set TimeZone = 'UTC'")
                connection.register("ours", ours)
                connection.register("theirs", theirs)
                return any(count_of_differences(connection, "ours", "theirs", ours.column_names))

    def input(self, tables: CustomerTables, relation: str) -> pa.Table:
        """What the model reads under one name of its SQL."""
        if table := self.sources.get(relation):
            columns = next(declared.names for declared in raw_tables() if declared.name == table)
            return arrow(tables, f"select {', '.join(columns)} from {tables.raw(table)}")
        return arrow(tables, f"from {tables.model(self.views[relation])}")

    def raw_rows(self, customers: Sequence[str]) -> list[RawRow]:
        """The raw rows of these customers that the model is made from."""
        with SomeRawRows(self.ours, self.load, customers) as tables:
            tables.model(self.name)
            return tables.needed_rows()

    def contents(self, customers: Sequence[str], rows: Sequence[RawRow]) -> list[dict[str, Any]]:
        """The rows by table and column, as text; nulls and personal data are left out."""
        with SomeRawRows(self.ours, self.load, customers, rows) as tables:
            return [
                {"table": table.name}
                | {column: str(row[column]) for column in shown if row[column] is not None}
                for table in raw_tables()
                if any(row.table == table.name for row in rows)
                for shown in [[column.name for column in table.columns if not column.personal]]
                for row in tables.rows(f"from {tables.raw(table.name)} order by all")
            ]


def arrow(tables: CustomerTables, sql: str) -> pa.Table:
    """The rows of a query."""
    return tables.connection.execute(sql).to_arrow_table()


def cut_down(
    probe: Probe, suspects: Sequence[str], everyone: Sequence[str]
) -> tuple[list[str], list[RawRow]] | None:
    """The fewest customers, then the fewest of their raw rows, that show a difference; None if it is gone.

    Parameters
    ----------
    suspects : sequence of str
        Customers whose rows differ, tried first, one alone before all.
    everyone : sequence of str
        All customers of the load.
    """
    starts = [list(suspects[:1]), list(suspects), list(everyone)]
    start = next((customers for customers in starts if customers and probe.differs(customers)), None)
    if start is None:
        return None
    customers = fewest(start, probe.differs)
    rows = probe.raw_rows(customers)
    if not probe.differs(customers, rows):
        return None
    return customers, fewest(rows, lambda some: probe.differs(customers, some))


def customers_of(load: Path) -> list[str]:
    """The key of every customer in a load, in order."""
    table = customers_table()
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select distinct {table.key[0]} from {relation_of(load / table.name)} order by 1"
        ).fetchall()
    return [row[0] for row in rows]
