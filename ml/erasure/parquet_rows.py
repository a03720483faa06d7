"""Rows out of a Parquet file, written by the engine that wrote it, so that all other cells stay as they are.

Order, types, compression and the size of row groups stay; what DuckDB keeps beside the rows (least and
largest values, filters of keys) is made of the rows that are left.
"""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.common.memory import memory_limit
from ml.common.sql import literal, parquet, quoted
from ml.erasure.file_kinds import FileKind, distinct_texts, text_columns
from ml.erasure.rows_to_erase import ERASED, RowsToErase
from ml.erasure.swapped_files import keep_mode

ROW_GROUP = 122_880  # DuckDB's own size
MEMORY_LIMIT = "3GB"
DUCKDB = "DuckDB"
CODECS = {"SNAPPY": "snappy", "ZSTD": "zstd", "GZIP": "gzip", "UNCOMPRESSED": "uncompressed"}
PLACE = "file_row_number"


def erase_rows(path: Path, fresh: Path, rows: RowsToErase) -> int | None:
    """Write ``path`` without some rows and words to ``fresh``; None, and nothing written, without any."""
    with pq.ParquetFile(path) as file:
        schema, of_duckdb = file.schema_arrow, DUCKDB in str(file.metadata.created_by)
    condition = rows.condition([field.name for field in schema if is_text(field.type)])
    worded = columns_with_words(path, rows)
    is_plain = all(
        is_text(type_) or is_list_of_text(type_) for type_ in (schema.field(name).type for name in worded)
    )
    with connected() as connection:
        source = parquet([path])
        gone = 0
        if condition:
            gone = connection.execute(f"select count(*) from {source} where {condition}").fetchall()[0][0]
        if not gone and not worded:
            return None
        by_duckdb = of_duckdb and is_plain
        if by_duckdb:
            write_by_duckdb(connection, path, fresh, source, condition, worded_columns(schema, worded, rows))
    if not by_duckdb:
        write_by_arrow(path, fresh, rows, worded)
    keep_mode(path, fresh)
    return int(gone)


def erase_where(path: Path, fresh: Path, condition: str) -> int | None:
    """Write ``path`` without the rows of a condition to ``fresh``; None, and nothing written, without any."""
    with connected() as connection:
        source = parquet([path])
        ((gone,),) = connection.execute(f"select count(*) from {source} where {condition}").fetchall()
        if not gone:
            return None
        write_by_duckdb(connection, path, fresh, source, condition, {})
    keep_mode(path, fresh)
    return int(gone)


def erase_places(path: Path, fresh: Path, places: list[int]) -> int | None:
    """Write ``path`` without the rows at some places, counted from 0; None, and nothing written, for none."""
    if not places:
        return None
    with connected() as connection:
        connection.execute("create temp table places as select unnest(?::bigint[]) as place", [places])
        source = f"(select * from {parquet([path], f'{PLACE} = true')})"
        condition = f"{PLACE} in (select place from places)"
        write_by_duckdb(connection, path, fresh, source, condition, {}, exclude=f" exclude ({PLACE})")
    keep_mode(path, fresh)
    return len(places)


def connected() -> duckdb.DuckDBPyConnection:
    """A connection that keeps the order of rows."""
    connection = duckdb.connect(config={"memory_limit": memory_limit(MEMORY_LIMIT)})
    connection.execute("set threads = 1")
    # Otherwise the few rows that remain of a batch are written after those of later batches.
    connection.execute("set enable_caching_operators = false")
    return connection


def is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def is_list_of_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) and is_text(type_.value_type))


def columns_with_words(path: Path, rows: RowsToErase) -> list[str]:
    """The columns in which any of the words stands."""
    words = [word.encode("utf-8", "surrogatepass") for word in rows.words]
    found: dict[str, bool] = {}
    for name, values in text_columns(FileKind.PARQUET, path) if words else ():
        texts = b"\xff".join(distinct_texts(values))
        found[name] = found.get(name, False) or any(word in texts for word in words)
    return [name for name, has_any in found.items() if has_any]


def worded_columns(schema: pa.Schema, worded: list[str], rows: RowsToErase) -> dict[str, str]:
    """The SQL of columns without the words."""
    columns = {}
    for name in worded:
        if is_list_of_text(schema.field(name).type):
            of_text = rows.without_words("text")
            columns[name] = f"list_transform({quoted(name)}, lambda text: {of_text})"
        else:
            columns[name] = rows.without_words(name)
    return columns


def write_by_duckdb(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    fresh: Path,
    source: str,
    condition: str | None,
    worded: dict[str, str],
    exclude: str = "",
) -> None:
    """Copy the rows that stay."""
    replaced = ", ".join(f"{sql} as {quoted(name)}" for name, sql in worded.items())
    columns = f"*{exclude}" + (f" replace ({replaced})" if replaced else "")
    where = f" where not ({condition})" if condition else ""
    options = f"format parquet, compression {codec_of(path)}, row_group_size {ROW_GROUP}"
    connection.execute(f"copy (select {columns} from {source}{where}) to {literal(fresh)} ({options})")


def codec_of(path: Path) -> str:
    """The compression of a file, as DuckDB names it."""
    metadata = pq.read_metadata(path)
    if not metadata.num_row_groups or not metadata.num_columns:
        return "snappy"
    return CODECS.get(metadata.row_group(0).column(0).compression, "zstd")


def write_by_arrow(path: Path, fresh: Path, rows: RowsToErase, worded: list[str]) -> None:
    """Write row group by row group, with the metadata of the file."""
    with pq.ParquetFile(path) as file:
        codec = codec_of(path)
        compression = None if codec == "uncompressed" else codec
        with pq.ParquetWriter(fresh, file.schema_arrow, compression=compression) as writer:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                kept = without_rows(table, rows)
                for name in worded:
                    place = kept.schema.get_field_index(name)
                    kept = kept.set_column(place, kept.schema.field(place), cleaned(kept[name], rows))
                if len(kept):
                    writer.write_table(kept, row_group_size=max(len(table), 1))


def without_rows(table: pa.Table, rows: RowsToErase) -> pa.Table:
    """The rows that stay."""
    names = [field.name for field in table.schema if is_text(field.type)]
    for name, keys in rows.columns(names).items():
        mine = pc.is_in(table[name], pa.array(sorted(keys), table.schema.field(name).type))
        table = table.filter(pc.invert(mine))
    return table


def cleaned(column: pa.ChunkedArray, rows: RowsToErase) -> pa.Array:
    """A column of texts, alone or in lists and structures, without the words."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [without(inner) for inner in value]
        return without_words(value) if isinstance(value, str) else value

    def without_words(text: str) -> str:
        for word in rows.words:
            text = text.replace(word, ERASED)
        return text

    return pa.array([without(value) for value in column.to_pylist()], column.type)
