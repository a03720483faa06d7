"""One readable piece of a raw table: what the steps after ``sources`` work on, whatever it came from.

A part is a relation in the working database: the source's columns as they are, then FILE and ROW.
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
class Part:
    """A piece of one raw table.

    Parameters
    ----------
    table : Table
    label : str
        What messages call it: a file's name, a table's.
    relation : str
        Name of its relation, with FILE and ROW.
    columns : dict of str to (str, str)
        Contract name, or bare name of an extra column: its name and type in the relation.
    broken : str, optional
        Name of a relation (file, row, reason, content) of rows that could not even be split into columns.
    """

    table: Table
    label: str
    relation: str
    columns: dict[str, tuple[str, str]]
    broken: str | None = None

    @property
    def extras(self) -> tuple[str, ...]:
        """The user's own columns, kept but unused."""
        known = (*self.table.names, *BOOKKEEPING)
        return tuple(name for name in self.columns if name not in known)


def relation_of(folder: Path) -> str:
    """The Parquet files of ``folder`` as one relation, whatever extra columns each has."""
    return parquet(sorted(folder.glob("*.parquet")), "union_by_name = true")


def rows_of(table: Table, folder: Path) -> str:
    """The loaded rows of ``table`` in ``folder`` as one relation, with every column of the contract."""
    return with_columns(table, relation_of(folder))


def with_columns(table: Table, relation: str) -> str:
    """``relation`` with every column of the contract: loads of earlier versions of it lack some."""
    typed = ", ".join(f"null::{column.kind.sql_type} as {column.name}" for column in table.columns)
    return f"(select {typed} where false union all by name from {relation})"


def label_of(labels: list[str]) -> str:
    """What messages call files that are read together."""
    others = len(labels) - 1
    return labels[0] + (f" (and {others:,} more files)" if others > 1 else " (and 1 more file)" * others)


def match_columns(table: Table, label: str, found: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Which of the columns ``found`` (name to type) is which of the contract.

    Names match whatever their case and the blanks around them.

    Raises
    ------
    SourceError
        A required column is missing, or two columns bear one name of the contract.
    """
    refuse_twins(table, label, list(found))
    columns: dict[str, tuple[str, str]] = {}
    for actual, sql_type in found.items():
        bare = actual.strip()
        name = bare.lower() if bare.lower() in table.names else bare
        columns.setdefault(name, (actual, sql_type))
    missing = [column.name for column in table.columns if column.required and column.name not in columns]
    if missing:
        raise SourceError(
            f"{label} lacks the required {plural('column', missing)}: it has {', '.join(found)}"
        )
    return columns


def refuse_twins(table: Table, label: str, names: list[str]) -> None:
    """SourceError when two of ``names`` are one column of the contract."""
    bare = [name.strip().lower() for name in names]
    for name in table.names:
        if bare.count(name) > 1:
            raise SourceError(f"{label} has the column {name} more than once: keep one")


def plural(noun: str, names: list[str]) -> str:
    """``column a``, or ``columns a, b``."""
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names)}"


@contextmanager
def reading(label: str, secret: str | None = None) -> Iterator[None]:
    """Turn what DuckDB says while reading ``label`` into one sentence; ``secret`` never appears in it.

    Raises
    ------
    SourceError
        The source cannot be read.
    """
    try:
        yield
    except duckdb.Error as error:
        said = str(error).strip().splitlines()[0]
        raise SourceError(
            f"{label} cannot be read: {said.replace(secret, '***') if secret else said}"
        ) from None


__all__ = [
    "FILE",
    "ROW",
    "Part",
    "label_of",
    "match_columns",
    "plural",
    "reading",
    "refuse_twins",
    "relation_of",
    "rows_of",
    "with_columns",
]
