"""Columns in the names of folders, as Hive and Spark write them: ``orders/day=2024-01-01/part.parquet``."""

from dataclasses import dataclass
from urllib.parse import unquote

import duckdb

from ml.common.errors import SourceError
from ml.common.sql import literal, quoted
from ml.ingest.batch import FILE, Batch
from ml.ingest.physical_types import INT96

# Hive's and Spark's name of a missing value.
MISSING = "__HIVE_DEFAULT_PARTITION__"

CLASH = """
select {FILE}, {column}::varchar, {value}
from {relation}
where {column} is distinct from try_cast({value} as {sql_type})
limit 1
"""


@dataclass(frozen=True)
class Partition:
    """A column whose value is the name of a folder.

    Parameters
    ----------
    column : str
    folder : int
        Its number in the path of a file, from 1.
    start : int
        The position of the value in the folder's name, from 1.
    """

    column: str
    folder: int
    start: int

    def value(self, file: str) -> str:
        """The SQL for the value, from the SQL of a file's path below the raw folder."""
        text = f"url_decode(substr(split_part({file}, '/', {self.folder}), {self.start}))"
        return f"nullif({text}, {literal(MISSING)})"


def partitions_of(label: str) -> tuple[Partition, ...]:
    """The columns in the folders of the file ``label``.

    Raises
    ------
    SourceError
        One column is in the path twice.
    """
    partitions: dict[str, Partition] = {}
    for number, folder in enumerate(label.split("/")[:-1], 1):
        key, sign, _ = folder.partition("=")
        name = unquote(key).strip()
        if not sign or not name:
            continue
        if name.lower() in partitions:
            raise SourceError(f"{label} has the column {name} in two of its folders: keep one")
        partitions[name.lower()] = Partition(name, number, len(key) + 2)
    return tuple(partitions.values())


def added_columns(partitions: tuple[Partition, ...], names: list[str]) -> list[Partition]:
    """Those of ``partitions`` that are no column of the file itself."""
    own = {name.strip().lower() for name in names}
    return [partition for partition in partitions if partition.column.lower() not in own]


def refuse_clashes(
    connection: duckdb.DuckDBPyConnection, batch: Batch, partitions: tuple[Partition, ...]
) -> None:
    """Raise a SourceError if a column of a file differs from the value in its folder's name."""
    columns = {actual.strip().lower(): (actual, sql_type) for actual, sql_type in batch.columns.values()}
    for partition in partitions:
        name, sql_type = columns[partition.column.lower()]
        fields = {
            "FILE": FILE,
            "column": quoted(name),
            "value": partition.value(FILE),
            "relation": batch.relation,
            "sql_type": "TIMESTAMP" if sql_type == INT96 else sql_type,
        }
        for file, inside, outside in connection.execute(CLASH.format(**fields)).fetchall():
            raise SourceError(
                f"{file} holds {inside} in the column {name}, and its folder's name says {outside}: rename "
                "the folder, or take the column out of the file"
            )
