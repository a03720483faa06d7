"""The exports that a mapping starts from: files of one folder, each with its columns and what they hold."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ml.common.errors import SourceError, UsageError
from ml.common.sql import literal, quoted
from ml.ingest.batch import label_of
from ml.ingest.file_names import format_of, stem_of

READERS = {
    "csv": "read_csv({file}, all_varchar = true)",
    "json": "read_json({file})",
    "parquet": "read_parquet({file})",
}
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
    """

    name: str
    label: str
    relation: str
    copy: str
    rows: int
    columns: tuple[ExportColumn, ...]


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
            columns = describe(connection, READERS[str(kind)].format(file=literal(name)), name)
            alike.setdefault((str(kind), *columns), []).append(name)
    if not alike:
        raise SourceError(f"{path} holds no export that can be read: give CSV, TSV, JSON or Parquet files")
    return [
        export_of(connection, kind, names, f"export_{number}")
        for number, ((kind, *_), names) in enumerate(alike.items())
    ]


def describe(connection: duckdb.DuckDBPyConnection, relation: str, name: str) -> list[str]:
    try:
        return [row[0] for row in connection.execute(f"describe from {relation}").fetchall()]
    except duckdb.Error as error:
        message = str(error).strip().splitlines()[0]
        raise SourceError(f"{name} cannot be read: {message}") from None


def export_of(connection: duckdb.DuckDBPyConnection, kind: str, names: list[str], copy: str) -> Export:
    """The export that these files are together."""
    listed = literal(names[0]) if len(names) == 1 else f"[{', '.join(map(literal, names))}]"
    relation = unnested(connection, READERS[kind].format(file=listed))
    connection.execute(f"create temp table {copy} as select * from {relation}")
    rows = connection.execute(f"select count(*) from {copy}").fetchall()[0][0]
    columns = tuple(columns_of(connection, copy))
    return Export(stem_of(Path(names[0]).name), label_of(names), relation, copy, rows, columns)


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
