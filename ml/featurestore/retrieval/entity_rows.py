"""Entity rows at the door of Feast's offline store: a pandas frame, an Arrow table, SQL, or a range of time.

Unlike the rows of ``customer_rows``, which are refused when a key is null, such a row is answered with
nulls, as Feast's own stores do.
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
from ml.featurestore.retrieval.customer_rows import is_text, parsed, plain, to_microseconds
from ml.featurestore.retrieval.history import History, bounded, since_1970
from ml.featurestore.retrieval.join import readable

EVENT_TIMESTAMP = "event_timestamp"
FIRST, LAST = since_1970(datetime.min), since_1970(datetime.max)
EntityFrame: TypeAlias = pd.DataFrame | pa.Table | pa.RecordBatchReader | str


@dataclass(frozen=True)
class EntityRows:
    """Entity rows with their own columns, unchanged, and the instants they ask about.

    Parameters
    ----------
    table : Table
    column : str
        The one of event timestamps.
    instants : ChunkedArray of timestamp[us]
        UTC; null where the row has none.
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
        """The earliest and the latest instant asked about."""
        ends = pc.min_max(self.instants)
        first, last = (ends[name].as_py() for name in ("min", "max"))
        return tuple(end and end.replace(tzinfo=UTC) for end in (first, last))


def entity_rows(frame: EntityFrame, sources: Mapping[str, History], memory_limit: str) -> EntityRows:
    """Rows as they were given.

    Parameters
    ----------
    frame : DataFrame, Table, RecordBatchReader or str
        A text is SQL of DuckDB's; the sources of the requested feature views are tables in it, by the names
        of the views.
    sources : mapping
        Feature view -> its history.
    memory_limit : str
        What SQL may take.

    Raises
    ------
    RowsError
        No column of instants can be told, or one cannot be read, or two columns have one name, or the SQL is
        wrong.
    """
    table = given(frame, sources, memory_limit)
    check_names(table.column_names)
    column = event_timestamp(table.schema)
    return EntityRows(table, column, instants(plain(table[column]), column))


def check_names(names: Sequence[str]) -> None:
    """Refuse two columns of one name, one of which would be lost."""
    if twins := [name for name, count in Counter(names).items() if count > 1]:
        raise RowsError(f"the entity rows have two columns called {twins[0]}: rename one of them")


def given(frame: EntityFrame, sources: Mapping[str, History], memory_limit: str) -> pa.Table:
    """The rows as an Arrow table."""
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    if isinstance(frame, str):
        return queried(frame, sources, memory_limit)
    if not isinstance(frame, pd.DataFrame):
        raise RowsError(
            f"entity rows are a {type(frame).__name__}: give a pandas frame, an Arrow table or SQL"
        )
    check_names(list(map(str, frame.columns)))
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowsError(f"the entity rows cannot be read: {str(error).splitlines()[0]}") from error


def queried(sql: str, sources: Mapping[str, History], memory_limit: str) -> pa.Table:
    """What ``sql`` gives."""
    with within_memory(memory_limit), Engine(memory_limit) as connection:
        for name, history in sources.items():
            with readable(history, "read"):
                connection.execute(f"create view {quoted(name)} as from {history.rows}")
        try:
            found = connection.execute(sql)
            if found is None:
                raise RowsError("the SQL of the entity rows is empty: write a query, or give a table of rows")
            return found.to_arrow_table()
        except duckdb.Error as error:
            raise RowsError(f"the SQL of the entity rows fails: {str(error).splitlines()[0]}") from error


def event_timestamp(schema: pa.Schema) -> str:
    """The column of event timestamps: the one so called, or else the only one of instants."""
    if EVENT_TIMESTAMP in schema.names:
        return EVENT_TIMESTAMP
    found = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if len(found) != 1:
        raise RowsError(
            f"the entity rows have {len(found)} columns of instants and none called {EVENT_TIMESTAMP}: "
            "name the one to ask about so"
        )
    return found[0]


def instants(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Instants in UTC to the microsecond; a null stays one.

    Raises
    ------
    RowsError
        They are no instants, or of years that Python has no name for.
    """
    found = as_instants(column, name)
    ends = pc.min_max(found.cast(pa.int64()))
    if column.null_count < len(column) and not FIRST <= ends["min"].as_py() <= ends["max"].as_py() <= LAST:
        raise RowsError(f"an instant of {name} is out of range: give years from 1 to 9999")
    return found


def as_instants(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Instants of any type, or text, as microseconds in UTC."""
    kind = column.type
    if column.null_count == len(column):
        # Of no values pandas makes a column of any type.
        return pa.chunked_array([pa.nulls(len(column), pa.timestamp("us"))])
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        try:
            return to_microseconds(column)
        except pa.ArrowInvalid as error:
            raise RowsError(f"an instant of {name} is out of range: {error}") from error
    if not is_text(kind):
        raise RowsError(f"{name} is of type {kind}: give instants or ISO 8601 text")
    present = parsed(column.cast(pa.large_string()).drop_null())
    return pc.replace_with_mask(
        pa.nulls(len(column), pa.timestamp("us")),
        column.is_valid().combine_chunks(),
        present.combine_chunks(),
    )


def rows_between(
    histories: Sequence[tuple[History, Sequence[str]]], first: datetime, last: datetime, memory_limit: str
) -> EntityRows:
    """One row for every key and instant at which a row of one of the histories begins within a range.

    Parameters
    ----------
    histories : sequence of (History, names)
        With the names that the keys of the history have among the entity rows.
    first, last : datetime
        With a zone; both ends count.
    memory_limit : str
        What looking them up may take.

    Raises
    ------
    RowsError
        The histories are about different things, so that their rows cannot be put under each other.
    """
    names = list(histories[0][1]) if histories else []
    if any(list(other) != names for _, other in histories):
        raise RowsError("feature views of different entities: give entity rows, for a range cannot say which")
    with within_memory(memory_limit), Engine(memory_limit) as connection:
        selects = []
        for history, _ in histories:
            with readable(history, "read"):
                selects.append(bounded(history, names, first, last, history.types(connection)))
        rows = " union ".join(selects)
        order = ", ".join(quoted(name) for name in (EVENT_TIMESTAMP, *names))
        table = connection.execute(f"from ({rows}) order by {order}").to_arrow_table()
    zoned = table[EVENT_TIMESTAMP].cast(pa.timestamp("us", "UTC"))
    table = table.set_column(table.schema.get_field_index(EVENT_TIMESTAMP), EVENT_TIMESTAMP, zoned)
    return EntityRows(table, EVENT_TIMESTAMP, zoned.cast(pa.timestamp("us")))
