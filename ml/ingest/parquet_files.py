"""Parquet files as batches: files of one shape are read together, in place."""

from pathlib import Path

import duckdb

from ml.common.errors import SourceError
from ml.common.sql import file_list, parquet, quoted
from ml.ingest.batch import FILE, ROW, Batch, label_of, match_columns, source_errors
from ml.ingest.contract import Table
from ml.ingest.partitions import Partition, added_columns, partitions_of, refuse_clashes
from ml.ingest.physical_types import INT96

MAGIC = b"PAR1"

READ = """
create view {relation} as
select
    * exclude ("__path", file_row_number),
    {values}
    {file} as {FILE},
    file_row_number + 1 as {ROW}
from {rows}
"""

# A hash of the columns of a file: files with the same hash have the same columns and types.
SCHEMAS = """
select
    file_name,
    md5(string_agg(
        concat_ws(':', name, type, duckdb_type, num_children, converted_type, scale, precision, logical_type),
        ',' order by column_id
    ))
from parquet_schema({files})
where column_id > 0
group by file_name
"""

Shape = tuple[tuple[str, str], ...]


def stage_parquet(
    connection: duckdb.DuckDBPyConnection, table: Table, root: Path, files: dict[str, Path], relation: str
) -> list[Batch]:
    """One batch for all ``files`` (label to path) with the same columns and types."""
    if not files:
        return []
    # Footers are read once, not by every query: with thousands of small files this takes most of the time.
    connection.execute("set parquet_metadata_cache = true")
    for label, path in files.items():
        check_beginning(path, label)
    groups: dict[tuple[Shape, tuple[Partition, ...]], list[str]] = {}
    for label, shape in shapes_of(connection, files).items():
        groups.setdefault((shape, partitions_of(label)), []).append(label)
    return [
        stage_shape(
            connection, table, root, dict(shape), {label: files[label] for label in labels}, f"{relation}_{n}"
        )
        for n, ((shape, _), labels) in enumerate(groups.items())
    ]


def check_beginning(path: Path, label: str) -> None:
    """Raise a SourceError if the file is empty or no Parquet."""
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if not start:
        raise SourceError(f"{label} is empty (0 bytes): a table without rows still needs its columns")
    if start != MAGIC:
        raise SourceError(f"{label} cannot be read: it is no Parquet file")


def shapes_of(connection: duckdb.DuckDBPyConnection, files: dict[str, Path]) -> dict[str, Shape]:
    """Column names and types of every file, from one query and one more for each kind of schema."""
    try:
        rows = connection.execute(SCHEMAS.format(files=file_list(files.values()))).fetchall()
    except duckdb.Error:
        return {label: shape_of(connection, path, label) for label, path in files.items()}
    schemas = dict(rows)
    shapes: dict[str, Shape] = {}
    for label, path in files.items():
        schema = schemas[str(path)]
        if schema not in shapes:
            shapes[schema] = shape_of(connection, path, label)
    return {label: shapes[schemas[str(path)]] for label, path in files.items()}


def shape_of(connection: duckdb.DuckDBPyConnection, path: Path, label: str) -> Shape:
    """Column names and types of one file."""
    with source_errors(label):
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
    files: dict[str, Path],
    relation: str,
) -> Batch:
    """A view over ``files``, all of one ``shape`` and with the same columns in their folders' names."""
    label = label_of(list(files))
    partitions = partitions_of(next(iter(files)))
    added_partitions = added_columns(partitions, list(shape))
    columns = match_columns(
        table, label, shape | {partition.column: "VARCHAR" for partition in added_partitions}
    )
    file = f"""substr("__path", {len(f"{root}/") + 1})"""
    values = [f"{partition.value(file)} as {quoted(partition.column)}," for partition in added_partitions]
    fields = {
        "relation": relation,
        "FILE": FILE,
        "ROW": ROW,
        "values": " ".join(values),
        "file": file,
        "rows": parquet(files.values(), "filename = '__path'", "file_row_number = true"),
    }
    with source_errors(label):
        connection.execute(READ.format(**fields))
    batch = Batch(table, label, relation, columns)
    refuse_clashes(connection, batch, tuple(set(partitions) - set(added_partitions)))
    return batch
