"""Which values held at each asked instant: the as-of join of keys with the views of a build, in DuckDB.

Keys come checked from ``feature_repo.asked``; ``feature_repo.retrieval`` reads the values slice by slice.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from feature_repo.catalog import Feature, View
from feature_repo.errors import CatalogError, FeatureError
from feature_repo.formulas import INSTANT

AS_OPERAND = "operand "
NUMBERED_CUSTOMERS = """
create temp table customers as
select customer, (row_number() over ())::integer as number
from (select distinct customer from keys)
"""
NUMBERED_KEYS = """
create temp table asked as
select keys.row, customers.number, keys.instant
from keys
inner join customers using (customer)
"""
# Over key columns alone, and customers as numbers: half the time and memory of joining whole rows by name.
HELD = """
create or replace temp table held as
with

history as (
    select customers.number, source.event_timestamp, source.file_index, source.file_row_number
    from {source} as source
    inner join customers on source.customer_id = customers.customer
)

select asked.row, history.file_index, history.file_row_number
from asked
asof inner join history
    on asked.number = history.number and asked.instant >= history.event_timestamp
"""
VALUES = """
create temp table {view} as
select held.row, {columns}
from held
inner join {source} as source using (file_index, file_row_number)
order by held.row
"""


@dataclass(frozen=True)
class HeldValues:
    """The values that held, by view and row; a database in memory that overflows into a temporary folder."""

    connection: duckdb.DuckDBPyConnection
    folder: tempfile.TemporaryDirectory[str]
    columns: Mapping[str, Sequence[Feature]]

    @classmethod
    def find(
        cls, keys: pa.Table, views: Sequence[View], names: frozenset[str], memory_limit: str
    ) -> "HeldValues":
        """Look up the features ``names`` of ``views`` for ``keys``: row, customer, instant."""
        folder = tempfile.TemporaryDirectory(prefix="tidemark-")
        spill = os.path.join(folder.name, "spill")
        connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": spill})
        connection.register("keys", keys)
        connection.execute(NUMBERED_CUSTOMERS)
        connection.execute(NUMBERED_KEYS)
        connection.unregister("keys")
        columns = {
            view.name: chosen
            for view in views
            if (chosen := [feature for feature in view.features if feature.name in names])
        }
        for view in views:
            if view.name in columns:
                with readable(view):
                    fetch(connection, view, columns[view.name])
        connection.execute("drop table if exists held")
        return cls(connection, folder, columns)

    def __enter__(self) -> "HeldValues":
        return self

    def __exit__(self, *_: object) -> None:
        """Give memory and disk back."""
        self.connection.close()
        self.folder.cleanup()

    def read(self, operands: frozenset[str], first: int, end: int) -> tuple[pa.Table, pa.Table]:
        """What held for the asked rows from ``first`` to before ``end``, in their order; null where nothing.

        Returns
        -------
        tuple of Table
            All features looked up; and those of them that are ``operands``, as formulas read them: DOUBLE or
            TIMESTAMP.
        """
        features = [feature for chosen in self.columns.values() for feature in chosen]
        used = [feature for feature in features if feature.name in operands]
        columns = [quoted(feature.name) for feature in features] + [operand(feature) for feature in used]
        joins = [
            f"left join (from {quoted(view)} where row >= {first} and row < {end}) using (row)"
            for view in self.columns
        ]
        query = [f"select {', '.join(['row', *columns])} from range({first}, {end}) as asked(row)", *joins]
        found = self.connection.execute(" ".join([*query, "order by row"])).to_arrow_table()
        values = found.select([feature.name for feature in features] or ["row"])
        read = found.select([AS_OPERAND + feature.name for feature in used])
        return values, read.rename_columns([feature.name for feature in used])


@contextmanager
def readable(view: View) -> Iterator[None]:
    """Say in one sentence which part of a build could not be read."""
    try:
        yield
    except duckdb.Error as error:
        raise FeatureError(
            f"{view.path} could not be joined: {str(error).splitlines()[0]}; free memory and disk space, or "
            "run 'churn build' again"
        ) from error


def fetch(connection: duckdb.DuckDBPyConnection, view: View, features: Sequence[Feature]) -> None:
    """Make a table of one view's values, sorted by asked row."""
    source = parquet(view)
    columns = ", ".join(quoted(feature.name) for feature in features)
    connection.execute(HELD.format(source=source))
    connection.execute(VALUES.format(view=quoted(view.name), columns=columns, source=source))


def operand(feature: Feature) -> str:
    """A feature as formulas read it; the division of a DECIMAL is DuckDB's everywhere."""
    kind = "timestamp" if feature.kind == INSTANT else "double"
    return f"{quoted(feature.name)}::{kind} as {quoted(AS_OPERAND + feature.name)}"


def parquet(view: View) -> str:
    """The rows of a view, for a ``from`` clause."""
    if not any(view.path.glob("*.parquet")):
        raise CatalogError(f"{view.path} has no Parquet files: run 'churn build' again")
    pattern = str(view.path / "*.parquet").replace("'", "''")
    return f"read_parquet('{pattern}', file_row_number = true)"


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
