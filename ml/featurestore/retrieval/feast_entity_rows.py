"""Entity rows of Feast's offline store: a pandas frame, an Arrow table, SQL, or a range of time.

``entity_row_checks`` refuses rows with a null key; here such a row gets null features, as in
Feast's own stores.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.duckdb_engine import Engine, within_memory
from ml.common.errors import RowsError
from ml.common.sql import quoted
from ml.featurestore.retrieval.entity_row_checks import (
    EVENT_TIMESTAMP,
    is_text,
    parse_instants,
    to_microseconds,
    without_dictionary,
)
from ml.featurestore.retrieval.history import History, bounded, since_1970
from ml.featurestore.retrieval.join import read_errors

FIRST, LAST = since_1970(datetime.min), since_1970(datetime.max)
EntityFrame: TypeAlias = pd.DataFrame | pa.Table | pa.RecordBatchReader | str


@dataclass(frozen=True)
class EntityRows:
    """Entity rows with their own columns, unchanged, and their as-of instants.

    Parameters
    ----------
    table : Table
    column : str
        The one of event timestamps.
    instants : ChunkedArray of timestamp[us]
        UTC; null if the row has none.
    """

    table: pa.Table
    column: str
    instants: pa.ChunkedArray

    @property
    def keys(self) -> list[str]:
        """Every column but the event timestamp."""
        return [name for name in self.table.column_names if name != self.column]

    @property
    def range(self) -> tuple[datetime | None, datetime | None]:
        """The earliest and the latest as-of instant."""
        ends = pc.min_max(self.instants)
        first, last = (ends[name].as_py() for name in ("min", "max"))
        return tuple(end and end.replace(tzinfo=UTC) for end in (first, last))


def entity_rows(frame: EntityFrame, sources: Mapping[str, History], memory_limit: str) -> EntityRows:
    """Entity rows from any of the forms in which Feast takes them.

    Parameters
    ----------
    frame : DataFrame, Table, RecordBatchReader or str
        A text is SQL of DuckDB's; the sources of the requested feature views are tables in it, by the names
        of the views.
    sources : mapping
        Feature view -> its history.
    memory_limit : str
        The memory limit of the SQL.

    Raises
    ------
    RowsError
        There is not one column of instants, or it cannot be read, or two columns have one name, or the SQL is
        wrong.
    """
    table = as_arrow(frame, sources, memory_limit)
    check_names(table.column_names)
    column = event_timestamp(table.schema)
    return EntityRows(table, column, instants(without_dictionary(table[column]), column))


def check_names(names: Sequence[str]) -> None:
    """Refuse two columns of one name, one of which would be lost."""
    if twins := [name for name, count in Counter(names).items() if count > 1]:
        raise RowsError(f"the entity rows have two columns called {twins[0]}: rename one of them")


def as_arrow(frame: EntityFrame, sources: Mapping[str, History], memory_limit: str) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    if isinstance(frame, str):
        return run_query(frame, sources, memory_limit)
    if not isinstance(frame, pd.DataFrame):
        raise RowsError(
            f"entity rows are a {type(frame).__name__}: give a pandas frame, an Arrow table or SQL"
        )
    check_names(list(map(str, frame.columns)))
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowsError(f"the entity rows cannot be read: {str(error).splitlines()[0]}") from error


def run_query(sql: str, sources: Mapping[str, History], memory_limit: str) -> pa.Table:
    with within_memory(memory_limit), Engine(memory_limit) as connection:
        for name, history in sources.items():
            with read_errors(history, "read"):
                connection.execute(f"create view {quoted(name)} as from {history.rows}")
        try:
            result = connection.execute(sql)
            if result is None:
                raise RowsError("the SQL of the entity rows is empty: write a query, or give a table of rows")
            return result.to_arrow_table()
        except duckdb.Error as error:
            raise RowsError(f"the SQL of the entity rows fails: {str(error).splitlines()[0]}") from error


def event_timestamp(schema: pa.Schema) -> str:
    """The column of event timestamps: the one of this name, or else the only one of instants."""
    if EVENT_TIMESTAMP in schema.names:
        return EVENT_TIMESTAMP
    candidates = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if len(candidates) != 1:
        raise RowsError(
            f"the entity rows have {len(candidates)} columns of instants and none called {EVENT_TIMESTAMP}: "
            "name the one to ask about so"
        )
    return candidates[0]


def instants(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Instants in UTC to the microsecond; a null stays one.

    Raises
    ------
    RowsError
        They are no instants, or of years beyond those of Python.
    """
    result = as_instants(column, name)
    ends = pc.min_max(result.cast(pa.int64()))
    if column.null_count < len(column) and not FIRST <= ends["min"].as_py() <= ends["max"].as_py() <= LAST:
        raise RowsError(f"an instant of {name} is out of range: give years from 1 to 9999")
    return result


def as_instants(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Instants of any type, or text, as microseconds in UTC."""
    kind = column.type
    if column.null_count == len(column):
        # pandas gives a column without values any type.
        return pa.chunked_array([pa.nulls(len(column), pa.timestamp("us"))])
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        try:
            return to_microseconds(column)
        except pa.ArrowInvalid as error:
            raise RowsError(f"an instant of {name} is out of range: {error}") from error
    if not is_text(kind):
        raise RowsError(f"{name} is of type {kind}: give instants or ISO 8601 text")
    parsed = parse_instants(column.cast(pa.large_string()).drop_null())
    return pc.replace_with_mask(
        pa.nulls(len(column), pa.timestamp("us")),
        column.is_valid().combine_chunks(),
        parsed.combine_chunks(),
    )


def rows_between(
    histories: Sequence[tuple[History, Sequence[str]]], first: datetime, last: datetime, memory_limit: str
) -> EntityRows:
    """One entity row for every key and instant of the rows of the histories within a range.

    Parameters
    ----------
    histories : sequence of (History, names)
        With the names that the keys of the history have among the entity rows.
    first, last : datetime
        With a zone; both ends count.
    memory_limit : str
        The memory limit of the query.

    Raises
    ------
    RowsError
        The histories have different entities, so that their rows cannot be combined.
    """
    names = list(histories[0][1]) if histories else []
    if any(list(other) != names for _, other in histories):
        raise RowsError("feature views of different entities: give entity rows, for a range cannot say which")
    with within_memory(memory_limit), Engine(memory_limit) as connection:
        selects = []
        for history, _ in histories:
            with read_errors(history, "read"):
                selects.append(bounded(history, names, first, last, history.types(connection)))
        rows = " union ".join(selects)
        order = ", ".join(quoted(name) for name in (EVENT_TIMESTAMP, *names))
        table = connection.execute(f"from ({rows}) order by {order}").to_arrow_table()
    zoned = table[EVENT_TIMESTAMP].cast(pa.timestamp("us", "UTC"))
    table = table.set_column(table.schema.get_field_index(EVENT_TIMESTAMP), EVENT_TIMESTAMP, zoned)
    return EntityRows(table, EVENT_TIMESTAMP, zoned.cast(pa.timestamp("us")))
