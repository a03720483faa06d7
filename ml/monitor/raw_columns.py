"""The columns of each source week by week: nulls, the size of numbers, categories, rows that come twice.

They page no one: they name causes. A row counts in the week in which it became known; keys, the clocks and
personal data are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from ml.common.array_types import Floats
from ml.common.memory import memory_limit
from ml.common.sql import quoted
from ml.ingest.batch import rows_of
from ml.ingest.contract import Column, Kind, Table
from ml.ingest.declaration import customers_table
from ml.monitor.feeds import MEMORY, sources
from ml.monitor.weeks import Weeks, series

CATEGORIES_MAX = 60
NULL = "(null)"


@dataclass(frozen=True)
class ColumnWeeks:
    """Measures of one column; arrays of shape (weeks,), NaN for a week without rows.

    Parameters
    ----------
    source, column : str
    rows : array
        Rows of each week.
    nulls : array
        The share of null values.
    size : array, optional
        Of an amount or a number: the logarithm to the base 10 of the median of its absolute values but 0.
    """

    source: str
    column: str
    rows: Floats
    nulls: Floats
    size: Floats | None = None


@dataclass(frozen=True)
class CategoryWeeks:
    """The categories of a text column: rows of each category in each week, shape (weeks, categories)."""

    source: str
    column: str
    names: tuple[str, ...]
    counts: Floats

    @property
    def what(self) -> str:
        """Source and column in words."""
        return f"{self.source} by {self.column}"

    @property
    def shares(self) -> Floats:
        """Shares of each week; NaN for a week without rows."""
        totals = self.counts.sum(axis=1, keepdims=True)
        return np.divide(self.counts, totals, out=np.full(self.counts.shape, np.nan), where=totals > 0)


@dataclass(frozen=True)
class RawWeeks:
    """All that is known of the raw columns; ``repeated`` is source to the share of rows that come twice."""

    columns: tuple[ColumnWeeks, ...]
    categories: tuple[CategoryWeeks, ...]
    repeated: dict[str, Floats]


def read_raw_columns(load: Path, weeks: Weeks) -> RawWeeks:
    """Measure the columns of every source that has rows."""
    columns: list[ColumnWeeks] = []
    categories: list[CategoryWeeks] = []
    repeated = {}
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{memory_limit(MEMORY)}'")
        for table in sources():
            if not any((load / table.name).glob("*.parquet")):
                continue
            take_rows(connection, load, table, weeks)
            columns += measured_columns(connection, table, weeks)
            names = [column.name for column in described(table) if column.kind in (Kind.TEXT, Kind.FLAG)]
            categories += read_categories(connection, table.name, names, weeks, "taken")
            repeated[table.name] = repeated_rows(connection, table, weeks)
            if table.customer and not table.is_of_customers:
                categories += segments(connection, load, table, weeks)
    return RawWeeks(tuple(columns), tuple(categories), repeated)


def described(table: Table) -> list[Column]:
    """The columns that are neither key, reference, clock, deletion nor personal."""
    keys = {*table.key, table.customer, *table.referring, *table.clocks, "deleted_at"}
    return [column for column in table.columns if column.name not in keys and not column.personal]


def take_rows(connection: duckdb.DuckDBPyConnection, load: Path, table: Table, weeks: Weeks) -> None:
    """The rows of the weeks, as the table ``taken``."""
    week = weeks.week_sql("known_from")
    connection.execute(
        f"""
        create or replace temp table taken as
        select *, {week} as week
        from (select *, {table.known_at} as known_from from {rows_of(table, load / table.name)})
        where known_from <= $1 and {week} >= 0
        """,
        [weeks.as_of],
    )


def measured_columns(
    connection: duckdb.DuckDBPyConnection, table: Table, weeks: Weeks
) -> Iterator[ColumnWeeks]:
    """Nulls and sizes, by one query."""
    columns, measures = described(table), []
    for column in columns:
        name = quoted(column.name)
        is_number = column.kind in (Kind.AMOUNT, Kind.WHOLE)
        size = f"log10(median(abs({name}::double)) filter (where {name} <> 0))" if is_number else "null"
        measures += [f"avg(({name} is null)::double)", size]
    if not measures:
        return
    query = f"select week, count(*), {', '.join(measures)} from taken group by week"
    counts, found = {}, {}
    for week, count, *values in connection.execute(query).fetchall():
        counts[week], found[week] = count, values
    rows = series([counts.get(week, 0) for week in range(len(weeks))])
    nothing = [None] * len(measures)
    for place, column in enumerate(columns):
        values = [found.get(week, nothing) for week in range(len(weeks))]
        is_number = column.kind in (Kind.AMOUNT, Kind.WHOLE)
        yield ColumnWeeks(
            table.name,
            column.name,
            rows,
            series([row[2 * place] for row in values]),
            series([row[2 * place + 1] for row in values]) if is_number else None,
        )


def read_categories(
    connection: duckdb.DuckDBPyConnection, source: str, names: list[str], weeks: Weeks, rows: str
) -> Iterator[CategoryWeeks]:
    """The columns among ``names`` with few values."""
    for name in names:
        column = f"coalesce({quoted(name)}::varchar, '{NULL}')"
        few = connection.execute(f"select count(distinct {column}) from {rows}").fetchall()[0][0]
        if not 1 < few <= CATEGORIES_MAX:
            continue
        query = f"select week, {column}, count(*) from {rows} group by all"
        found = connection.execute(query).fetchall()
        values = sorted({value for _, value, _ in found})
        counts = np.zeros((len(weeks), len(values)))
        for week, value, count in found:
            counts[week, values.index(value)] = count
        yield CategoryWeeks(source, name, tuple(values), counts)


def repeated_rows(connection: duckdb.DuckDBPyConnection, table: Table, weeks: Weeks) -> Floats:
    """The share of each week's rows that have the content of another under another key."""
    content = [
        name
        for name in table.names
        if name not in (*table.key, table.version, "deleted_at") or name == table.customer
    ]
    listed = ", ".join(map(quoted, content))
    key = f"({', '.join(map(quoted, table.key))})"
    query = f"""
        select week, 1 - count(distinct ({listed})) / count(distinct {key})::double
        from taken group by week
    """
    found = dict(connection.execute(query).fetchall())
    values = series([found.get(week) for week in range(len(weeks))])
    return np.where(np.isnan(values), np.nan, np.maximum(values, 0.0))


def segments(
    connection: duckdb.DuckDBPyConnection, load: Path, table: Table, weeks: Weeks
) -> Iterator[CategoryWeeks]:
    """The rows of a source by what is said of their customers, such as the channel they came by."""
    customers = customers_table()
    if not any((load / customers.name).glob("*.parquet")):
        return
    names = [column.name for column in described(customers) if column.kind in (Kind.TEXT, Kind.FLAG)]
    latest = ", ".join(f"arg_max({quoted(name)}, {customers.known_at}) as {quoted(name)}" for name in names)
    if not names:
        return
    connection.execute(
        f"""
        create or replace temp table of_segments as
        select taken.week, about.*
        from (select {quoted(str(table.customer))} as customer_id, week from taken) as taken
        inner join (
            select {quoted(customers.key[0])} as customer_id, {latest}
            from {rows_of(customers, load / customers.name)} group by all
        ) as about using (customer_id)
        """
    )
    for found in read_categories(connection, table.name, names, weeks, "of_segments"):
        yield CategoryWeeks(table.name, f"{customers.name}.{found.column}", found.names, found.counts)
