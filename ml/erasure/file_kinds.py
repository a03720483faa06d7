"""What a file is, by its content, and its texts by column, whatever format holds them.

Parquet, SQLite and DuckDB files come in; for each column of text, in parts, an Arrow array goes out. Packed
files (gzip, zstd, zip) give the files inside.
"""

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.common.sql import literal, quoted

ROWS_AT_ONCE = 20_000


class FileKind(Enum):
    """The kind of a file."""

    PARQUET = "Parquet"
    SQLITE = "SQLite"
    DUCKDB = "DuckDB"
    GZIP = "gzip"
    ZSTD = "zstd"
    ZIP = "zip"
    PAGE = "page"
    JSON = "JSON"
    JSON_LINES = "JSON lines"
    DELIMITED = "CSV"
    LINES = "text"
    OTHER = "other"


BEGINNINGS = {
    b"PAR1": FileKind.PARQUET,
    b"SQLite format 3\0": FileKind.SQLITE,
    b"\x1f\x8b": FileKind.GZIP,
    b"\x28\xb5\x2f\xfd": FileKind.ZSTD,
    b"PK\x03\x04": FileKind.ZIP,
}
ENDINGS = {
    ".html": FileKind.PAGE,
    ".htm": FileKind.PAGE,
    ".svg": FileKind.PAGE,
    ".json": FileKind.JSON,
    ".jsonl": FileKind.JSON_LINES,
    ".ndjson": FileKind.JSON_LINES,
    ".csv": FileKind.DELIMITED,
    ".tsv": FileKind.DELIMITED,
}
PACKED = (FileKind.GZIP, FileKind.ZSTD, FileKind.ZIP)
COLUMNAR = (FileKind.PARQUET, FileKind.SQLITE, FileKind.DUCKDB)
PACKED_ENDINGS = (".gz", ".zst", ".zstd")


def kind_of(name: str, content: bytes) -> FileKind:
    """The kind of a file by its content, else by its name.

    Parameters
    ----------
    content : bytes
        Its beginning suffices.
    """
    for beginning, kind in BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    if content[8:12] == b"DUCK":
        return FileKind.DUCKDB
    if kind_by_name := ENDINGS.get(Path(name).suffix.lower()):
        return kind_by_name
    return FileKind.LINES if is_utf8(content) else FileKind.OTHER


def kind_of_file(path: Path) -> FileKind:
    """The kind of a file on disk."""
    with path.open("rb") as file:
        return kind_of(path.name, file.read(65_536))


def is_utf8(content: bytes) -> bool:
    """Whether bytes are text; the last sign may be cut off."""
    if b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(content) - 3
    return True


def unpacked(kind: FileKind, name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The files inside a packed one; none if it is not whole."""
    try:
        if kind is FileKind.GZIP:
            yield inner_name(name), gzip.decompress(content)
        elif kind is FileKind.ZSTD:
            yield inner_name(name), pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
        else:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for member in archive.namelist():
                    yield member, archive.read(member)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, pa.ArrowException):
        return


def inner_name(name: str) -> str:
    """The name of the file inside a packed one."""
    path = Path(name)
    return path.stem if path.suffix.lower() in PACKED_ENDINGS else path.name


def text_columns(kind: FileKind, path: Path) -> Iterator[tuple[str, pa.Array]]:
    """Every column of text or bytes in a file of columns, in parts: its name and its values.

    Raises
    ------
    pyarrow.ArrowException, sqlite3.Error, duckdb.Error
        The file is not whole, or in use.
    """
    readers = {
        FileKind.PARQUET: parquet_columns,
        FileKind.SQLITE: sqlite_columns,
        FileKind.DUCKDB: duckdb_columns,
    }
    return readers[kind](path)


def parquet_columns(path: Path) -> Iterator[tuple[str, pa.Array]]:
    with pq.ParquetFile(path) as file:
        names = [field.name for field in file.schema_arrow if has_text(field.type)]
        if not names:
            return
        for batch in file.iter_batches(ROWS_AT_ONCE * 5, columns=names):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                for texts in flat_texts(column):
                    yield name, texts


def has_text(type_: pa.DataType) -> bool:
    """Whether a type is text or bytes, or holds such values."""
    if pa.types.is_dictionary(type_):
        return has_text(type_.value_type)
    if pa.types.is_nested(type_):
        return any(has_text(type_.field(index).type) for index in range(type_.num_fields))
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_fixed_size_binary(type_)
    )


def flat_texts(array: Any) -> Iterator[pa.Array]:
    """The texts in an array, those in its lists and structures too."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_struct(array.type):
        for child in array.flatten():
            yield from flat_texts(child)
    elif pa.types.is_map(array.type):
        yield from flat_texts(array.keys)
        yield from flat_texts(array.items)
    elif pa.types.is_nested(array.type):
        yield from flat_texts(array.flatten())
    elif has_text(array.type):
        yield array


def sqlite_columns(path: Path) -> Iterator[tuple[str, pa.Array]]:
    """Values as the tables have them; free pages are read by the search of bytes."""
    with closing(read_only(path)) as connection:
        connection.text_factory = bytes
        tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            cursor = connection.execute(f"select * from {quoted(table.decode())}")
            names = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                for name, values in zip(names, zip(*rows, strict=True), strict=True):
                    texts = [as_bytes(value) for value in values if value is not None]
                    if texts:
                        yield name, pa.array(texts, pa.large_binary())


def as_bytes(value: Any) -> bytes:
    """A value of SQLite, whose columns may have any type."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; it reads the log beside the file too."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


def duckdb_columns(path: Path) -> Iterator[tuple[str, pa.Array]]:
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(path)} as looked_at (read_only)")
        found = connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() join duckdb_tables() "
            "using (database_name, schema_name, table_name) where database_name = 'looked_at' "
            "and (data_type like '%VARCHAR%' or data_type like '%BLOB%' or data_type like '%ENUM%')"
        ).fetchall()
        for schema, table, column in found:
            source = f"looked_at.{quoted(schema)}.{quoted(table)}"
            reader = connection.execute(f"select {quoted(column)} from {source}").to_arrow_reader(
                ROWS_AT_ONCE * 5
            )
            for batch in reader:
                for texts in flat_texts(batch.column(0)):
                    yield column, texts


def distinct_texts(values: pa.Array) -> list[bytes]:
    """The values of an array, each once."""
    narrow = values.cast(pa.large_binary()).cast(pa.binary()) if values.type != pa.binary() else values
    return [value for value in pc.unique(narrow).to_pylist() if value is not None]
