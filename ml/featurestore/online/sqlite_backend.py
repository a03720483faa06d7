"""The online store as one SQLite file: one table per feature view, one row per key, a column per feature.

A reader is never locked out: a whole load is written aside in short transactions, and one more swaps the
tables.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feast import FeatureView

from ml.common.errors import FeatureError
from ml.common.sql import quoted
from ml.featurestore.online.backend import Backend
from ml.featurestore.online.connection import OpenConnection, connect_at_rest, within
from ml.featurestore.online.rows import Keys, StoredRow, ViewReader
from ml.featurestore.online.sqlite_schema import (
    create,
    drop_table,
    has_shape,
    index_pushed,
    keep_pushed,
    select_many,
    select_one,
    shape_table,
    table_columns,
    upsert,
)
from ml.featurestore.online.table_names import PUSHED, aside_name, obsolete_tables, spare_name, table_name
from ml.featurestore.online.value_kinds import kinds
from ml.featurestore.registry.store import locked

# The JSON escape of the character at which SQLite would end a text.
ZERO_CHARACTER = r"\u0000"
READ_FILES = "create table if not exists read_files (view text primary key, said text)"


class SqliteBackend(Backend):
    """Rows in a file.

    Parameters
    ----------
    path : Path
        The file; it is made by the first change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with within(self.connection(), "begin immediate") as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        with within(self._connection_to_read(), "begin") as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[None]:
        if getattr(self._open, "is_alone", False):
            yield
            return
        with locked(self.path.with_suffix(".lock")):
            self._open.is_alone = True
            try:
                yield
            finally:
                self._open.is_alone = False

    def read(self, requests: Sequence[tuple[ViewReader, Keys]]) -> list[list[StoredRow]]:
        with self.snapshot() as connection:
            return [statements_of(reader).rows(connection, keys) for reader, keys in requests]

    def shape(self, view: FeatureView) -> None:
        with self.transaction() as connection:
            shape_table(connection, view)

    def fits(self, view: FeatureView) -> bool:
        return has_shape(self.connection(), view)

    def drop(self, name: str) -> None:
        with self.transaction() as connection:
            drop_table(connection, name)

    def push(self, view: FeatureView, features: Sequence[str], rows: list[list[Any]]) -> None:
        with self.transaction() as connection:
            connection.executemany(upsert(view, features, table_name(view.name)), rows)

    def materialized(self) -> dict[str, tuple[str, str]]:
        rows = self.connection().execute("select view, source, until from materialized")
        return {view: (source, until) for view, source, until in rows.fetchall()}

    def sources(self) -> dict[str, str]:
        rows = self._connection_to_read().execute("select view, source from materialized")
        return dict(rows.fetchall())

    def remembered(self, source: str) -> str | None:
        sql = "select until from remembered where source = ?"
        row = self.connection().execute(sql, (source,)).fetchone()
        return row[0] if row else None

    def mark(self, view: FeatureView, source: str, until: str) -> None:
        with self.transaction() as connection:
            shape_table(connection, view)
            row = (view.name, source, until)
            connection.execute("insert or replace into materialized values (?, ?, ?)", row)
            connection.execute("insert or replace into remembered values (?, ?)", (source, until))

    def files_read(self, view: str) -> dict[str, Any] | None:
        with self.transaction() as connection:
            connection.execute(READ_FILES)
            row = connection.execute("select said from read_files where view = ?", (view,)).fetchone()
        return json.loads(row[0]) if row else None

    def note_files(self, view: str, fingerprint: dict[str, Any]) -> None:
        with self.transaction() as connection:
            connection.execute(READ_FILES)
            row = (view, json.dumps(fingerprint))
            connection.execute("insert or replace into read_files values (?, ?)", row)

    def has_pushed(self, view: FeatureView) -> bool:
        sql = f"select exists (select 1 from {quoted(table_name(view.name))} where {PUSHED} is not null)"
        return bool(self.connection().execute(sql).fetchone()[0])

    def count(self, view: FeatureView) -> int:
        return self._count(table_name(view.name))

    def forget(self, view: FeatureView, keys: Sequence[Sequence[Any]]) -> None:
        matches = " and ".join(f"{quoted(key)} = ?" for key in view.join_keys)
        sql = f"delete from {quoted(table_name(view.name))} where {matches} and {PUSHED} is null"
        with self.transaction() as connection:
            connection.executemany(sql, keys)

    def write(self, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        with self.transaction() as connection:
            put(connection, view, rows, table_name(view.name))

    def resume(self, view: FeatureView, fingerprint: dict[str, Any]) -> dict[str, Any]:
        connection, aside = self.connection(), aside_name(view.name)
        text = json.dumps([fingerprint, create(view, aside)], sort_keys=True)
        row = connection.execute("select said, whole from loading where view = ?", (view.name,)).fetchone()
        if row and row[0] == text and table_columns(connection, aside):
            keys = ", ".join(map(quoted, view.join_keys))
            backwards = ", ".join(f"{quoted(key)} desc" for key in view.join_keys)
            last = f"select {keys} from {quoted(aside)} order by {backwards} limit 1"
            last_key = connection.execute(last).fetchone()
            return {"last": last_key, "rows": self._count(aside), "whole": bool(row[1])}
        with self.transaction() as connection:
            connection.execute(f"drop table if exists {quoted(aside)}")
            connection.execute(create(view, aside))
            index_pushed(connection, view, aside)
            connection.execute("insert or replace into loading values (?, ?, 0)", (view.name, text))
        return {"last": None, "rows": 0, "whole": False}

    def load(self, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        with self.transaction() as connection:
            put(connection, view, rows, aside_name(view.name))

    def finish_load(self, view: FeatureView, rows: int) -> int:
        present = self._count(aside_name(view.name))
        with self.transaction() as connection:
            if present != rows:
                connection.execute("delete from loading where view = ?", (view.name,))
            connection.execute("update loading set whole = 1 where view = ?", (view.name,))
        return present

    def swap(self, view: FeatureView, with_pushed: bool) -> None:
        table = quoted(table_name(view.name))
        with self.transaction() as connection:
            # a file that is newer than the registration of the view has no table yet
            shape_table(connection, view)
            if with_pushed:
                connection.execute(keep_pushed(view))
            connection.execute(f"alter table {table} rename to {quoted(spare_name(view.name))}")
            connection.execute(f"alter table {quoted(aside_name(view.name))} rename to {table}")
            connection.execute("delete from loading where view = ?", (view.name,))

    def tidy(self) -> None:
        connection = self.connection()
        if connection.in_transaction:
            return
        for name in obsolete_tables(connection):
            connection.execute(f"drop table if exists {quoted(name)}")
        connection.execute("delete from loading")

    def _count(self, table: str) -> int:
        count: int = self.connection().execute(f"select count(*) from {quoted(table)}").fetchone()[0]
        return count

    def connection(self, to_read: bool = False) -> sqlite3.Connection:
        """This thread's connection to the present file at the path, which may have been replaced."""
        opened: OpenConnection | None = getattr(self._open, "opened", None)
        if opened is None or not opened.is_current(to_read):
            self._open.opened = opened = OpenConnection(self.path, to_read)
        return opened.connection

    def _connection_to_read(self) -> sqlite3.Connection:
        try:
            return self.connection(to_read=True)
        except sqlite3.OperationalError:
            return connect_at_rest(self.path)


@dataclass(frozen=True)
class Statements:
    """The queries of one reader."""

    one: str
    many: str
    width: int
    nothing: StoredRow
    is_json: bool

    def rows(self, connection: sqlite3.Connection, keys: Keys) -> list[StoredRow]:
        """The row of each key."""
        key_list = as_json(keys) if self.is_json and len(keys) > 1 else None
        if key_list is None or ZERO_CHARACTER in key_list:
            return [self._row(connection, key) for key in keys]
        row_of_key = {key: row for key, *row in connection.execute(self.many, (key_list,))}
        return [row_of_key.get(key, self.nothing) for key in keys]

    def _row(self, connection: sqlite3.Connection, key: Any) -> StoredRow:
        row = connection.execute(self.one, (key,) if self.width == 1 else key).fetchone()
        return row or self.nothing


def statements_of(reader: ViewReader) -> Statements:
    """The queries of a reader, made once."""
    if reader.prepared is None:
        reader.prepared = Statements(
            select_one(reader.view, reader.features),
            select_many(reader.view, reader.features),
            len(reader.keys),
            reader.nothing,
            len(reader.keys) == 1 and all(kind.field is not None for kind in reader.keys.values()),
        )
    statements: Statements = reader.prepared
    return statements


def as_json(keys: Keys) -> str | None:
    """Distinct keys as a JSON list; None if JSON cannot express one, such as infinity."""
    try:
        return json.dumps(list(dict.fromkeys(keys)), allow_nan=False)
    except ValueError:
        return None


def put(connection: sqlite3.Connection, view: FeatureView, rows: Iterator[Sequence[Any]], table: str) -> None:
    """Write rows as the compute engine makes them.

    Raises
    ------
    FeatureError
        A key is NaN, which equals nothing, and which SQLite stores as null.
    """
    try:
        connection.executemany(upsert(view, list(kinds(view)), table), rows)
    except sqlite3.IntegrityError as error:
        raise no_key(view.name) from error


def no_key(view: str) -> FeatureError:
    """The error about a key that equals nothing, not even itself."""
    return FeatureError(
        f"{view} has a row whose key is not a number (NaN): correct its source, or take it out there"
    )
