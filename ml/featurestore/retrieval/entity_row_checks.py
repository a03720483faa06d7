"""Check entity rows: the two keys of a caller become a customer_id as text and a UTC instant, or are refused.

``retrieve`` comes next, and checks nothing again.
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.errors import RowsError
from ml.common.instant_grammar import EXAMPLE, instant_of_text

CUSTOMER, EVENT_TIMESTAMP = "customer_id", "event_timestamp"
# Bounds the memory of parsing: DuckDB holds the text and the instants of one query at a time.
ROWS_PER_QUERY = 1_000_000
PARSE_INSTANTS = f"select {instant_of_text('text')} as instant from texts"


def check_columns(names: list[str], features: Iterable[str]) -> None:
    """Refuse rows without the two keys, with two columns of one name, or with a feature's name.

    Raises
    ------
    RowsError
    """
    for key in (CUSTOMER, EVENT_TIMESTAMP):
        if key not in names:
            raise RowsError(
                f"the entity rows have no column {key}: they need customer_id and event_timestamp, "
                f"and have {', '.join(names) or 'none'}"
            )
    feature_names = {name.lower() for name in features}
    seen: set[str] = set()
    for name in names:
        if name.lower() in feature_names:
            raise RowsError(
                f"the entity rows already have a column {name}, which is a feature: rename or remove it"
            )
        if name.lower() in seen:
            raise RowsError(f"the entity rows have two columns called {name}: rename one of them")
        seen.add(name.lower())


def as_table(rows: pa.Table | pa.RecordBatchReader, folder: Path) -> pa.Table:
    """The entity rows as a table; a stream goes through a file in ``folder``, mapped rather than loaded."""
    if isinstance(rows, pa.Table):
        return rows
    path = folder / "entity_rows.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def read_keys(rows: pa.Table) -> pa.Table:
    """The number of each row from 0, its customer as text, and its as-of instant to the microsecond in UTC.

    Raises
    ------
    RowsError
        A key is null, of an unusable type or unreadable; the first such row is named.
    """
    numbers = pa.array(np.arange(len(rows)))
    return pa.table(
        {"row": numbers, "customer": customers(rows[CUSTOMER]), "instant": instants(rows[EVENT_TIMESTAMP])}
    )


def customers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    column = whole_numbers(bytes_as_text(without_dictionary(column), CUSTOMER))
    kind = column.type
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise RowsError(f"customer_id is of type {kind}: give text or whole numbers")
    refuse_nulls(column, CUSTOMER)
    return column.cast(pa.large_string())


def whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers that come as floats or decimals, as of pandas and Oracle; others stay as they are."""
    if not (pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        return column
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants in UTC without a zone."""
    column = bytes_as_text(without_dictionary(column), EVENT_TIMESTAMP)
    kind = column.type
    if not (is_text(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind)):
        raise RowsError(f"event_timestamp is of type {kind}: give instants or ISO 8601 text")
    refuse_nulls(column, EVENT_TIMESTAMP)
    if is_text(kind):
        return parse_instants(column)
    try:
        return to_microseconds(column)
    except pa.ArrowInvalid as error:
        raise RowsError(f"an event_timestamp is out of range: {error}") from error


def to_microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants or dates of any unit, cut off to the microsecond."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp(kind.unit))
        if kind.unit == "ns":
            column = pc.floor_temporal(column, unit="microsecond")
    return column.cast(pa.timestamp("us"))


def parse_instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISO 8601 text as instants."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        slices = [parse_slice(connection, column, start) for start in range(0, len(column), ROWS_PER_QUERY)]
    return pa.chunked_array([chunk for one_slice in slices for chunk in one_slice.chunks], pa.timestamp("us"))


def parse_slice(
    connection: duckdb.DuckDBPyConnection, column: pa.ChunkedArray, start: int
) -> pa.ChunkedArray:
    """The instants of up to ``ROWS_PER_QUERY`` rows from ``start``."""
    texts = column.slice(start, ROWS_PER_QUERY)
    connection.register("texts", pa.table({"text": texts}))
    instants = connection.execute(PARSE_INSTANTS).to_arrow_table()["instant"]
    if instants.null_count:
        row = pc.index(instants.is_null(), True).as_py()
        raise RowsError(
            f"event_timestamp {texts[row].as_py()!r} in row {start + row + 1} is no instant: "
            f"write ISO 8601, such as {EXAMPLE}"
        )
    return instants


def without_dictionary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without dictionary encoding."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def bytes_as_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Bytes as text, because some writers of Parquet do not mark text as such."""
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        return column
    try:
        return column.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        raise RowsError(f"{name} holds bytes that are no UTF-8: write it as text") from error


def is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def refuse_nulls(column: pa.ChunkedArray, name: str) -> None:
    if column.null_count:
        first = pc.index(column.is_null(), True).as_py()
        raise RowsError(f"{name} is null in row {first + 1}: every entity row needs one")
