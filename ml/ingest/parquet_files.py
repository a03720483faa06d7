"""Parquet files into parts: files of one shape are read together, where they lie."""

from pathlib import Path

import duckdb

from ml.common.errors import SourceError
from ml.common.sql import file_list, parquet
from ml.ingest.batch import FILE, ROW, Part, match_columns, reading
from ml.ingest.contract import Table
from ml.ingest.physical import INT96

MAGIC = b"PAR1"

READ = """
create view {relation} as
select
    * exclude ("__path", file_row_number),
    substr("__path", {prefix}) as {file},
    file_row_number + 1 as {row}
from {rows}
"""


def stage_parquet(
    connection: duckdb.DuckDBPyConnection, table: Table, root: Path, paths: list[Path], relation: str
) -> list[Part]:
    """One part for all files of ``paths`` that have the same columns and types."""
    shapes: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for path in paths:
        shapes.setdefault(shape_of(connection, path, str(path.relative_to(root))), []).append(path)
    return [
        stage_shape(connection, table, root, dict(shape), alike, f"{relation}_{number}")
        for number, (shape, alike) in enumerate(shapes.items())
    ]


def shape_of(connection: duckdb.DuckDBPyConnection, path: Path, label: str) -> tuple[tuple[str, str], ...]:
    """Column names and types of one file.

    Raises
    ------
    SourceError
        The file is empty or no Parquet.
    """
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if not start:
        raise SourceError(f"{label} is empty (0 bytes): a table without rows still needs its columns")
    if start != MAGIC:
        raise SourceError(f"{label} cannot be read: it is no Parquet file")
    with reading(label):
        rows = connection.execute(f"describe select * from {parquet([path])}").fetchall()
        columns = {row[0]: row[1] for row in rows}
        if "TIMESTAMP" in columns.values():
            query = f"select name from parquet_schema({file_list([path])}) where type = '{INT96}'"
            columns |= {name: INT96 for (name,) in connection.execute(query).fetchall() if name in columns}
    return tuple(columns.items())


def stage_shape(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    root: Path,
    shape: dict[str, str],
    paths: list[Path],
    relation: str,
) -> Part:
    """A view over ``paths``, all of one ``shape``."""
    label = str(paths[0].relative_to(root))
    columns = match_columns(table, label, shape)
    words = {
        "relation": relation,
        "file": FILE,
        "row": ROW,
        "prefix": len(f"{root}/") + 1,
        "rows": parquet(paths, "filename = '__path'", "file_row_number = true"),
    }
    with reading(label):
        connection.execute(READ.format(**words))
    return Part(table, label, relation, columns)
