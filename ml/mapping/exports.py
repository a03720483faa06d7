"""The exports that a mapping starts from: files of one folder, each with its columns and what they hold."""

import codecs
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ml.common.errors import SourceError, UsageError
from ml.common.sql import literal, quoted
from ml.ingest.batch import label_of, source_errors
from ml.ingest.compressed_files import open_unpacked
from ml.ingest.csv_headers import UTF16_MARKS
from ml.ingest.file_names import format_of, stem_of
from ml.ingest.value_formats import UTF8

READERS = {
    "csv": "read_csv({file}, all_varchar = true{encoding})",
    "json": "read_json({file})",
    "parquet": "read_parquet({file})",
}
LATIN_1, UTF_16 = "latin-1", "utf-16"
# Latin-1 has control characters there, and windows-1252 the euro sign and quotes; DuckDB reads neither.
NOT_IN_LATIN_1 = re.compile(rb"[\x80-\x9f]")
BLOCK = 1 << 20  # bytes
STRUCT = re.compile(r"^STRUCT\(")


@dataclass(frozen=True)
class ExportColumn:
    """One column: its name, SQL for it, its type, and in how many rows it is filled, with how many values."""

    name: str
    sql: str
    sql_type: str
    filled: int
    distinct: int


@dataclass(frozen=True)
class Export:
    """One export.

    Parameters
    ----------
    name : str
        That of its file, without endings.
    label : str
        The file.
    relation : str
        SQL to select from, as it stands in a mapping.
    copy : str
        A table with its rows, so that the files are read once and not for every question.
    rows : int
    columns : tuple of ExportColumn
    encoding : str
        Of its files.
    """

    name: str
    label: str
    relation: str
    copy: str
    rows: int
    columns: tuple[ExportColumn, ...]
    encoding: str = UTF8


def find_exports(connection: duckdb.DuckDBPyConnection, path: Path, base: Path) -> list[Export]:
    """The exports of a folder, or the one of a file; paths in their SQL are relative to ``base`` if possible.

    Files of the same columns are one export.

    Raises
    ------
    UsageError
        There is no such path.
    SourceError
        There is no file that can be read, or one cannot be.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist: give a folder of exports, or one file")
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    alike: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        if (kind := format_of(file.name)) in READERS:
            relative = os.path.relpath(file, base)
            name = str(file) if relative.startswith("..") else relative
            encoding = encoding_of(file, name) if kind == "csv" else UTF8
            columns = describe(connection, reader(str(kind), literal(name), encoding), name)
            alike.setdefault((str(kind), encoding, *columns), []).append(name)
    if not alike:
        raise SourceError(f"{path} holds no export that can be read: give CSV, TSV, JSON or Parquet files")
    return [
        export_of(connection, kind, encoding, names, f"export_{number}")
        for number, ((kind, encoding, *_), names) in enumerate(alike.items())
    ]


def reader(kind: str, listed: str, encoding: str) -> str:
    """The SQL that reads files as they are."""
    stated = f", encoding = {literal(encoding)}" if encoding != UTF8 else ""
    return READERS[kind].format(file=listed, encoding=stated)


def encoding_of(file: Path, name: str) -> str:
    """The encoding of a text file, of those that DuckDB reads.

    Raises
    ------
    SourceError
        It is in none of them.
    """
    decoder = codecs.getincrementaldecoder(UTF8)()
    is_utf8 = is_latin_1 = is_first = True
    with open_unpacked(file, name) as content:
        while block := content.read(BLOCK):
            if is_first and block.startswith(UTF16_MARKS):
                return UTF_16
            is_first, is_latin_1 = False, is_latin_1 and not NOT_IN_LATIN_1.search(block)
            is_utf8 = is_utf8 and decodes(decoder, block)
    is_utf8 = is_utf8 and decodes(decoder, b"", final=True)
    if is_utf8 or is_latin_1:
        return UTF8 if is_utf8 else LATIN_1
    raise SourceError(
        f"{name} is neither UTF-8 nor Latin-1, perhaps windows-1252: save it as UTF-8, or give its columns "
        "the names of a raw table's and load it by churn ingest --encoding"
    )


def decodes(decoder: codecs.IncrementalDecoder, block: bytes, final: bool = False) -> bool:
    """Whether the next bytes are text."""
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def describe(connection: duckdb.DuckDBPyConnection, relation: str, name: str) -> list[str]:
    with source_errors(name):
        return [row[0] for row in connection.execute(f"describe from {relation}").fetchall()]


def export_of(
    connection: duckdb.DuckDBPyConnection, kind: str, encoding: str, names: list[str], copy: str
) -> Export:
    """The export that these files are together."""
    listed = literal(names[0]) if len(names) == 1 else f"[{', '.join(map(literal, names))}]"
    with source_errors(label_of(names)):
        relation = unnested(connection, reader(kind, listed, encoding))
        connection.execute(f"create temp table {copy} as select * from {relation}")
    rows = connection.execute(f"select count(*) from {copy}").fetchall()[0][0]
    columns = tuple(columns_of(connection, copy))
    return Export(stem_of(Path(names[0]).name), label_of(names), relation, copy, rows, columns, encoding)


def unnested(connection: duckdb.DuckDBPyConnection, relation: str) -> str:
    """The rows inside a file that is one object with a list of them, as answers of an API are."""
    columns = connection.execute(f"describe from {relation}").fetchall()
    lists = [
        name for name, sql_type, *_ in columns if sql_type.startswith("STRUCT(") and sql_type.endswith("[]")
    ]
    rows = connection.execute(f"select count(*) from {relation}").fetchall()[0][0]
    if rows == 1 and len(lists) == 1:
        return f"(select unnest({quoted(lists[0])}, max_depth := 2) from {relation})"
    return relation


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> Iterator[ExportColumn]:
    """Every column; the fields of an object one level down, as columns of their own."""
    for name, sql_type, *_ in connection.execute(f"describe from {relation}").fetchall():
        if STRUCT.match(sql_type) and not sql_type.endswith("[]"):
            fields = connection.execute(f"describe select unnest({quoted(name)}) from {relation}").fetchall()
            parts = [(f"{name} {part}", f"{quoted(name)}.{quoted(part)}", kind) for part, kind, *_ in fields]
        else:
            parts = [(name, quoted(name), sql_type)]
        for shown, sql, kind in parts:
            with suppress(duckdb.BinderException):
                filled, distinct = connection.execute(
                    f"select count({sql}), count(distinct {sql}) from {relation}"
                ).fetchall()[0]
                yield ExportColumn(shown, sql, kind, filled, distinct)
