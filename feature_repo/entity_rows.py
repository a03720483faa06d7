"""Entity rows at the door of Feast's offline store: a pandas frame, an Arrow table, SQL, or a range of time.

Unlike the rows of ``feature_repo.asked``, which are refused when a key is null, such a row is answered with
nulls, as Feast's own stores do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.asked import parsed, plain, to_microseconds
from feature_repo.errors import RowsError
from feature_repo.history import History, bounded
from feature_repo.sql import quoted

EVENT_TIMESTAMP = "event_timestamp"
EntityFrame: TypeAlias = pd.DataFrame | pa.Table | pa.RecordBatchReader | str


@dataclass(frozen=True)
class EntityRows:
    """Asked rows with their own columns, unchanged, and the instants they ask about.

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


def entity_rows(frame: EntityFrame, sources: Mapping[str, History]) -> EntityRows:
    """Rows as they were given.

    Parameters
    ----------
    frame : DataFrame, Table, RecordBatchReader or str
        A text is SQL of DuckDB's; the sources of the requested feature views are tables in it, by the names
        of the views.
    sources : mapping
        Feature view -> its history.

    Raises
    ------
    RowsError
        No column of instants can be told, or one cannot be read, or the SQL is wrong.
    """
    table = given(frame, sources)
    column = event_timestamp(table.schema)
    return EntityRows(table, column, instants(plain(table[column]), column))


def given(frame: EntityFrame, sources: Mapping[str, History]) -> pa.Table:
    """The rows as an Arrow table."""
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    if isinstance(frame, str):
        return queried(frame, sources)
    if not isinstance(frame, pd.DataFrame):
        raise RowsError(
            f"entity rows are a {type(frame).__name__}: give a pandas frame, an Arrow table or SQL"
        )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowsError(f"the entity rows cannot be read: {str(error).splitlines()[0]}") from error


def queried(sql: str, sources: Mapping[str, History]) -> pa.Table:
    """What ``sql`` gives."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, history in sources.items():
            relation = f"(select * exclude (file_row_number) from {history.relation})"
            connection.execute(f"create view {quoted(name)} as from {relation}")
        try:
            return connection.execute(sql).to_arrow_table()
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
    """Instants in UTC to the microsecond; a null stays one."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind):
        try:
            return to_microseconds(column)
        except pa.ArrowInvalid as error:
            raise RowsError(f"an instant of {name} is out of range: {error}") from error
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise RowsError(f"{name} is of type {kind}: give instants or ISO 8601 text")
    present = parsed(column.drop_null())
    return pc.replace_with_mask(
        pa.nulls(len(column), pa.timestamp("us")),
        column.is_valid().combine_chunks(),
        present.combine_chunks(),
    )


def rows_between(
    histories: Sequence[tuple[History, Sequence[str]]], first: datetime, last: datetime
) -> EntityRows:
    """One row for every key and instant at which a row of one of the histories begins within a range.

    Parameters
    ----------
    histories : sequence of (History, names)
        With the names that the keys of the history have among the asked rows.
    first, last : datetime
        With a zone; both ends count.

    Raises
    ------
    RowsError
        The histories are about different things, so that their rows cannot be put under each other.
    """
    names = list(histories[0][1]) if histories else []
    if any(list(other) != names for _, other in histories):
        raise RowsError("feature views of different entities: give entity rows, for a range cannot say which")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        selects = [
            bounded(history, names, first, last, history.types(connection)) for history, _ in histories
        ]
        rows = " union ".join(selects)
        order = ", ".join(quoted(name) for name in (EVENT_TIMESTAMP, *names))
        table = connection.execute(f"from ({rows}) order by {order}").to_arrow_table()
    zoned = table[EVENT_TIMESTAMP].cast(pa.timestamp("us", "UTC"))
    table = table.set_column(table.schema.get_field_index(EVENT_TIMESTAMP), EVENT_TIMESTAMP, zoned)
    return EntityRows(table, EVENT_TIMESTAMP, zoned.cast(pa.timestamp("us")))
