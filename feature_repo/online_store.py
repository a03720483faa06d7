"""The online store: SQLite, one table a feature view, one row a customer, read by its key.

Rows come from the compute engine (or ``feast`` push); ``get_online_features`` reads them. An older row never
replaces a newer one, a reader sees either all of a materialization or none of it, and is never locked out.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from feast import Entity, FeatureView, ValueType
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from feature_repo.paths import feast_path

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Answer = tuple[datetime | None, dict[str, Value] | None]

KINDS = {
    ValueType.INT64: ("integer", "int64_val"),
    ValueType.DOUBLE: ("real", "double_val"),
    ValueType.BOOL: ("integer", "bool_val"),
    ValueType.STRING: ("text", "string_val"),
}
KEYS_A_QUERY = 500
BUSY_SECONDS = 60


class WholeRowOnlineStoreConfig(FeastConfigBaseModel):
    """Settings of the online store in ``feature_store.yaml``."""

    type: Literal["feature_repo.online_store.WholeRowOnlineStore"] = (
        "feature_repo.online_store.WholeRowOnlineStore"
    )
    path: str = "online_store.db"
    """Absolute, or relative to ``<CHURN_HOME>/feast``."""


class WholeRowOnlineStore(OnlineStore):
    """Feature values as of one instant, in one SQLite file."""

    _versioned_read_supported = False

    def __init__(self) -> None:
        self._open = threading.local()

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Give each view a table of its columns; values that stay in place stay readable."""
        with self.transaction(config) as connection:
            for view in tables_to_delete:
                drop_table(connection, view.name)
            for view in tables_to_keep:
                shape_table(connection, view)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop every table; the file stays, for other processes may have it open."""
        with self.transaction(config) as connection:
            for view in tables:
                drop_table(connection, view.name)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows; of two for one customer the later event timestamp stays, on a tie the last written."""
        fields = kinds(table)
        with self.transaction(config) as connection:
            connection.executemany(upsert(table), (flat(row, fields) for row in data))
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Answer]:
        """One answer an entity key, in the order asked; ``(None, None)`` for a customer that is not there."""
        fields = {
            name: kind for name, kind in kinds(table).items() if name in (requested_features or kinds(table))
        }
        keys = [key.entity_values[0].string_val for key in entity_keys]
        found: dict[str, Answer] = {}
        with self.snapshot(config) as connection:
            for first in range(0, len(keys), KEYS_A_QUERY):
                some = keys[first : first + KEYS_A_QUERY]
                for key, instant, *values in connection.execute(select(table, fields, len(some)), some):
                    found[key] = answer(instant, fields, values)
        return [found.get(key, (None, None)) for key in keys]

    def _read_features_per_fv(self, config: RepoConfig, *args: Any, **kwargs: Any) -> None:
        """Read every view of one request from one state of the store (a hook Feast leaves to its stores)."""
        with self.snapshot(config):
            super()._read_features_per_fv(config, *args, **kwargs)

    def watermark(self, config: RepoConfig, view: FeatureView) -> datetime | None:
        """The instant up to which ``view`` holds its present source; None when it does not hold it."""
        sql = "select until from materialized where view = ? and source = ?"
        row = self._connection(config).execute(sql, (view.name, view.batch_source.path)).fetchone()
        return datetime.fromisoformat(row[0]).replace(tzinfo=UTC) if row else None

    def mark(self, config: RepoConfig, view: FeatureView, until: datetime) -> None:
        """Note that ``view`` now holds its present source up to ``until``, and remember it of the source."""
        source, text = view.batch_source.path, stamp(until)
        with self.transaction(config) as connection:
            connection.execute(
                "insert or replace into materialized values (?, ?, ?)", (view.name, source, text)
            )
            connection.execute("insert or replace into remembered values (?, ?)", (source, text))

    def remembered(self, config: RepoConfig, source: str) -> datetime | None:
        """The instant up to which ``source`` was held last, though another may be held now."""
        sql = "select until from remembered where source = ?"
        row = self._connection(config).execute(sql, (source,)).fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    def sources(self, config: RepoConfig) -> dict[str, str]:
        """View -> the source it holds, of those that hold any."""
        connection = self._connection_to_read(config)
        return dict(connection.execute("select view, source from materialized").fetchall())

    def clear(self, config: RepoConfig, view: FeatureView) -> None:
        """Forget every row of ``view``; in a transaction readers notice nothing until it ends."""
        with self.transaction(config) as connection:
            connection.execute(f"delete from {quoted(view.name)}")
            connection.execute("delete from materialized where view = ?", (view.name,))

    def count(self, config: RepoConfig, view: FeatureView) -> int:
        """The number of customers ``view`` holds."""
        return self._connection(config).execute(f"select count(*) from {quoted(view.name)}").fetchone()[0]

    @contextmanager
    def transaction(self, config: RepoConfig) -> Iterator[sqlite3.Connection]:
        """All or nothing; inside another transaction it is part of that one."""
        with within(self._connection(config), "begin immediate") as connection:
            yield connection

    @contextmanager
    def snapshot(self, config: RepoConfig) -> Iterator[sqlite3.Connection]:
        """One state of the store, whatever is written meanwhile."""
        if not hasattr(self._open, "connection") and not self._path(config).exists():
            raise FileNotFoundError(
                f"nothing is online yet in {self._path(config)}: run 'churn materialize' first"
            )
        with within(self._connection_to_read(config), "begin") as connection:
            yield connection

    def _connection(self, config: RepoConfig) -> sqlite3.Connection:
        if not hasattr(self._open, "connection"):
            self._open.connection = connect(self._path(config))
        return self._open.connection

    def _connection_to_read(self, config: RepoConfig) -> sqlite3.Connection:
        try:
            return self._connection(config)
        except sqlite3.OperationalError:
            return connect_at_rest(self._path(config))

    def _path(self, config: RepoConfig) -> Path:
        return feast_path(config.online_store.path)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that waits for a writer instead of failing, and reads while one writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute(
        "create table if not exists materialized (view text primary key, source text, until text)"
    )
    connection.execute("create table if not exists remembered (source text primary key, until text)")
    return connection


def connect_at_rest(path: Path) -> sqlite3.Connection:
    """A connection that only reads and writes no file at all, not even the index of the log: for a full disk.

    Raises
    ------
    OperationalError
        The log holds changes that are not in the file yet.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise sqlite3.OperationalError(f"{path} cannot be read while the disk is full: free some space")
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None)


@contextmanager
def within(connection: sqlite3.Connection, begin: str) -> Iterator[sqlite3.Connection]:
    """A transaction, or a part of the one that has begun."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute(begin)
    try:
        yield connection
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def kinds(view: FeatureView) -> dict[str, tuple[str, str]]:
    """Feature name -> (SQLite column type, field of Feast's ``Value``).

    Raises
    ------
    TypeError
        A feature has a type this store does not keep.
    """
    try:
        return {field.name: KINDS[field.dtype.to_value_type()] for field in view.features}
    except KeyError as error:
        raise TypeError(
            f"feature view {view.name}: the online store keeps no {error.args[0].name} value"
        ) from error


def shape_table(connection: sqlite3.Connection, view: FeatureView) -> None:
    """Make the table of ``view``, or add and drop columns; a changed table counts as not materialized."""
    key, wanted = view.join_keys[0], {name: kind[0] for name, kind in kinds(view).items()}
    connection.execute(
        f"create table if not exists {quoted(view.name)}"
        f" ({quoted(key)} text primary key, event_timestamp text not null) without rowid"
    )
    present = {
        name: kind.lower()
        for _, name, kind, *_ in connection.execute(f"pragma table_info({quoted(view.name)})")
    }
    spare = {name: kind for name, kind in present.items() if name not in (key, "event_timestamp")}
    if spare == wanted:
        return
    for name in [name for name, kind in spare.items() if wanted.get(name) != kind]:
        connection.execute(f"alter table {quoted(view.name)} drop column {quoted(name)}")
    for name in [name for name, kind in wanted.items() if spare.get(name) != kind]:
        connection.execute(f"alter table {quoted(view.name)} add column {quoted(name)} {wanted[name]}")
    connection.execute("delete from materialized where view = ?", (view.name,))


def drop_table(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(f"drop table if exists {quoted(name)}")
    connection.execute("delete from materialized where view = ?", (name,))


def upsert(view: FeatureView) -> str:
    """The statement that writes one row unless a later one is there."""
    names = [view.join_keys[0], "event_timestamp", *kinds(view)]
    changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in names[1:])
    columns, places = ", ".join(map(quoted, names)), ", ".join("?" * len(names))
    return (
        f"insert into {quoted(view.name)} ({columns}) values ({places})"
        f" on conflict ({quoted(names[0])}) do update set {changes}"
        f" where excluded.event_timestamp >= {quoted(view.name)}.event_timestamp"
    )


def select(view: FeatureView, names: dict[str, tuple[str, str]], keys: int) -> str:
    """The query for ``keys`` customers of one view.

    Columns are named with their table: SQLite takes a lone name that it does not know for a text.
    """
    key, table = view.join_keys[0], quoted(view.name)
    columns = ", ".join(f"{table}.{quoted(name)}" for name in (key, "event_timestamp", *names))
    return f"select {columns} from {table} where {table}.{quoted(key)} in ({', '.join('?' * keys)})"


def flat(row: Row, fields: dict[str, tuple[str, str]]) -> list[Any]:
    """A row as SQLite takes it: key, event timestamp, values in the order of ``fields``."""
    key, values, instant, _ = row
    plain = [unwrapped(values.get(name), field) for name, (_, field) in fields.items()]
    return [key.entity_values[0].string_val, stamp(instant), *plain]


def unwrapped(value: Value | None, field: Any) -> Any:
    return getattr(value, field) if value is not None and value.HasField(field) else None


def answer(instant: str, fields: dict[str, tuple[str, str]], values: list[Any]) -> Answer:
    """A row as Feast takes it."""
    named = {
        name: wrapped(value, field) for (name, (_, field)), value in zip(fields.items(), values, strict=True)
    }
    return datetime.fromisoformat(instant).replace(tzinfo=UTC), named


def wrapped(value: Any, field: str) -> Value:
    """A plain value as Feast's message; None is the empty message."""
    if value is None:
        return Value()
    content: dict[str, Any] = {field: bool(value) if field == "bool_val" else value}
    return Value(**content)


def stamp(instant: datetime) -> str:
    """An instant as text that sorts as time does, to the microsecond; without a zone it is UTC."""
    utc = instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
    return utc.isoformat(timespec="microseconds")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
