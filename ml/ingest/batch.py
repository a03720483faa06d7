"""One batch of a raw table: the input of the steps after ``sources``, whatever its source.

A batch is a relation in the staging database: the source's columns as they are, then FILE and ROW.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ml.common.errors import SourceError
from ml.common.sql import parquet
from ml.ingest.contract import Table

FILE, ROW = '"__file"', '"__row"'
BOOKKEEPING = ("__file", "__row", "_file", "_row")


@dataclass(frozen=True)
class Batch:
    """Rows of one raw table that are read together.

    Parameters
    ----------
    table : Table
    label : str
        Its name in messages: that of a file or a table.
    relation : str
        Name of its relation, with FILE and ROW.
    columns : dict of str to (str, str)
        Contract name, or bare name of an extra column: its name and type in the relation.
    broken : str, optional
        Name of a relation (file, row, reason, content) of rows that could not be split into columns.
    """

    table: Table
    label: str
    relation: str
    columns: dict[str, tuple[str, str]]
    broken: str | None = None

    @property
    def extras(self) -> tuple[str, ...]:
        """The user's own columns, which are loaded but not used."""
        known = (*self.table.names, *BOOKKEEPING)
        return tuple(name for name in self.columns if name not in known)


def relation_of(folder: Path) -> str:
    """The Parquet files of ``folder`` as one relation; extra columns may differ between files."""
    return parquet(sorted(folder.glob("*.parquet")), "union_by_name = true")


def rows_of(table: Table, folder: Path) -> str:
    """The loaded rows of ``table`` in ``folder`` as one relation, with every column of the contract."""
    return with_columns(table, relation_of(folder))


def with_columns(table: Table, relation: str) -> str:
    """``relation`` with every column of the contract: loads of earlier versions of it lack some."""
    typed = ", ".join(f"null::{column.kind.sql_type} as {column.name}" for column in table.columns)
    return f"(select {typed} where false union all by name from {relation})"


def label_of(labels: list[str]) -> str:
    """The name in messages of files that are read together."""
    others = len(labels) - 1
    return labels[0] + (f" (and {others:,} more files)" if others > 1 else " (and 1 more file)" * others)


def match_columns(table: Table, label: str, source_columns: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Match ``source_columns`` (name to type) with those of the contract.

    Case and blanks around names do not matter.

    Raises
    ------
    SourceError
        A required column is missing, or two columns bear one name of the contract.
    """
    refuse_duplicate_columns(table, label, list(source_columns))
    columns: dict[str, tuple[str, str]] = {}
    for actual, sql_type in source_columns.items():
        bare = actual.strip()
        name = bare.lower() if bare.lower() in table.names else bare
        columns.setdefault(name, (actual, sql_type))
    missing = [column.name for column in table.columns if column.required and column.name not in columns]
    if missing:
        raise SourceError(
            f"{label} lacks the required {plural('column', missing)}: it has {', '.join(source_columns)}"
        )
    return columns


def refuse_duplicate_columns(table: Table, label: str, names: list[str]) -> None:
    """Raise a SourceError if two of ``names`` are one column of the contract."""
    bare = [name.strip().lower() for name in names]
    for name in table.names:
        if bare.count(name) > 1:
            raise SourceError(f"{label} has the column {name} more than once: keep one")


def plural(noun: str, names: list[str]) -> str:
    """``column a``, or ``columns a, b``."""
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names)}"


@contextmanager
def source_errors(label: str, secret: str | None = None) -> Iterator[None]:
    """Turn an error of DuckDB about ``label`` into one sentence; ``secret`` never appears in it.

    Raises
    ------
    SourceError
        The source cannot be read.
    """
    try:
        yield
    except duckdb.Error as error:
        message = str(error).strip().splitlines()[0]
        raise SourceError(
            f"{label} cannot be read: {message.replace(secret, '***') if secret else message}"
        ) from None


__all__ = [
    "FILE",
    "ROW",
    "Batch",
    "label_of",
    "match_columns",
    "plural",
    "refuse_duplicate_columns",
    "relation_of",
    "rows_of",
    "source_errors",
    "with_columns",
]
