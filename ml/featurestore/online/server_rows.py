"""What a server must do to hold rows: tables by number, and one document that says which of them are seen.

The document is the pointer of a swap: ``views`` names the table that readers see of each view, and what it
was loaded from; ``loading`` the unfinished loads, ``old`` the replaced tables. Its version changes with
``views``, and every read says which version it expects. Nothing here knows of Feast.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypedDict

from ml.common.errors import FeatureError, UsageError
from ml.featurestore.online.server_address import Address

LAYOUT = 1
Column = tuple[str, str]
"""The name of a column and its type, as in ``value_kinds``."""


class Table(TypedDict, total=False):
    """Rows of one view.

    Parameters
    ----------
    name : str
        Of the table; never used for another.
    keys, columns : list of (name, type)
        Join keys and features. A column that was dropped is None where its place in a row stays.
    source, until : str
        What it was loaded from, and up to which instant.
    files : dict
        The fingerprint of files outside a build.
    """

    name: str
    keys: list[Column]
    columns: list[Column | None]
    source: str
    until: str
    files: dict[str, Any]


class Load(TypedDict):
    """An unfinished load: what is loaded, into which table, how far."""

    fingerprint: str
    table: Table
    last: list[Any] | None
    rows: int
    whole: bool


@dataclass
class Document:
    """The pointer and all records of a store."""

    views: dict[str, Table] = field(default_factory=dict)
    loading: dict[str, Load] = field(default_factory=dict)
    remembered: dict[str, str] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)
    tables: int = 0
    layout: int = LAYOUT

    def new_name(self, view: str) -> str:
        """A table name that was never used; the number comes first, because long names are cut at the end."""
        self.tables += 1
        return f"{self.tables}:{view}"


@dataclass(frozen=True)
class State:
    """A version of the document; version 0 is a store that nothing was ever written to."""

    version: int
    document: Document


@dataclass
class ReadPlan:
    """How to read some features of some tables in one round trip; valid for one version of the state.

    Parameters
    ----------
    version : int
    tables : sequence of (table, features)
        All with the same join keys.
    prepared : dict
        What the server's rows keep of it, such as a statement.
    """

    version: int
    tables: Sequence[tuple[Table, Sequence[str]]]
    prepared: dict[Any, Any] = field(default_factory=dict)


class Rows(ABC):
    """Rows in one namespace of a server.

    Rows that are written are sequences of key values, event timestamp, created timestamp, push mark, values.
    Those of one table that are read are event timestamp and values; all None where there is no row.
    """

    @abstractmethod
    def state(self) -> State:
        """The present state; in a transaction that has begun, as it began."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction of this thread, once no other process or thread has one."""

    @abstractmethod
    def commit(self, state: State | None) -> None:
        """Make all changes since ``begin`` visible in one step, with another state where it changed."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo all changes since ``begin``."""

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """A lock against other loads, which ends with this process."""

    @abstractmethod
    def create(self, table: Table) -> None:
        """Make a table without rows."""

    @abstractmethod
    def reshape(self, table: Table, columns: list[Column], new_name: str) -> Table:
        """A table with other columns; the columns that stay keep their values. Readers keep the old one."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Drop a table, if it exists."""

    @abstractmethod
    def insert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Write whole rows of keys that the table does not have yet."""

    @abstractmethod
    def upsert(
        self, table: Table, features: Sequence[str], rows: Iterable[Sequence[Any]], wins_ties: bool = True
    ) -> None:
        """Write rows of some features, unless a later one is there."""

    @abstractmethod
    def copy_pushed(self, old: Table, new: Table) -> None:
        """Copy the pushed rows of one table into another, unless it has a row as late."""

    @abstractmethod
    def delete(self, table: Table, keys: Iterable[Sequence[Any]]) -> None:
        """Delete rows that were not pushed."""

    @abstractmethod
    def count(self, table: Table) -> int:
        """The number of rows."""

    @abstractmethod
    def has_pushed(self, table: Table) -> bool:
        """Whether there are pushed rows."""

    @abstractmethod
    def read(self, plan: ReadPlan, keys: Sequence[tuple[Any, ...]]) -> list[list[Sequence[Any]]] | None:
        """For each table the row of each key, in one round trip; None if the state has another version."""

    @abstractmethod
    def all_rows(self, table: Table, features: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Every row: key values, event timestamp, values."""

    @abstractmethod
    def count_keys(self, table: Table, keys: Sequence[Sequence[Any]]) -> int:
        """How many of some keys a table has."""

    @abstractmethod
    def erase(self, tables: Sequence[Table], key: str, values: Sequence[str]) -> int:
        """Delete every row in which a key column has one of some values, and what is left of it on disk.

        Returns
        -------
        int
            The number of rows.
        """

    @abstractmethod
    def bytes_used(self) -> int:
        """The size of all rows, in memory or on disk."""

    @abstractmethod
    def close(self) -> None:
        """End the connections of this thread."""


def document_of(text: str, address: Address) -> Document:
    """A document as it was written.

    Raises
    ------
    FeatureError
        Its layout is of a later version.
    """
    content: dict[str, Any] = json.loads(text)
    if content["layout"] > LAYOUT:
        raise FeatureError(
            f"the online store {address} was written by a later version of this software: use that one, or "
            "name another namespace"
        )
    return Document(**content)


def loaded_views(document: Document) -> dict[str, tuple[str, str]]:
    """View -> its source and instant; only those that were materialized."""
    return {
        view: (table["source"], table["until"])
        for view, table in sorted(document.views.items())
        if "source" in table
    }


@lru_cache(maxsize=8)
def rows_at(address: Address) -> Rows:
    """The rows at an address, opened once in a process, for those who look at it often."""
    return open_rows(address)


def open_rows(address: Address) -> Rows:
    """The rows at an address.

    Raises
    ------
    UsageError
        The driver is not installed.
    """
    try:
        if address.is_redis:
            from ml.featurestore.online.redis_rows import RedisRows

            return RedisRows(address)
        from ml.featurestore.online.postgres_rows import PostgresRows

        return PostgresRows(address)
    except ImportError as error:
        extra = "redis" if address.is_redis else "postgres"
        raise UsageError(
            f"the online store {address} needs a package that is not installed ({error.name}): "
            f"pip install 'tidemark[{extra}]'"
        ) from error
