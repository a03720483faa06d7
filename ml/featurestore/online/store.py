"""The online store: SQLite, one table per feature view, one row per key.

The compute engine writes many rows together, ``feast push`` single rows; ``get_online_features`` reads them.
An older row never replaces a newer one. A reader sees either all of a materialization or none of it, and is
never locked out: a whole load is written aside in short transactions, and one more swaps the tables.
"""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from feast import Entity, FeatureService, FeatureView, metrics
from feast.infra.online_stores.online_store import OnlineStore
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from ml.common.errors import RowsLostError
from ml.common.paths import store_path
from ml.common.sql import quoted
from ml.featurestore.online.connection import OpenConnection, connect_at_rest, within
from ml.featurestore.online.request import Plans
from ml.featurestore.online.rows import (
    Answer,
    Row,
    ViewReader,
    answer,
    as_datetime,
    hide_expired,
    plain_key,
    pushed_row,
    put,
    stamp,
)
from ml.featurestore.online.sqlite_schema import (
    create,
    drop_table,
    has_shape,
    index_pushed,
    keep_pushed,
    shape_table,
    table_columns,
    upsert,
)
from ml.featurestore.online.table_names import (
    PUSHED,
    aside_name,
    clashing_columns,
    obsolete_tables,
    spare_name,
    table_name,
)
from ml.featurestore.online.value_kinds import key_kinds, kinds
from ml.featurestore.registry.store import locked


class WholeRowOnlineStoreConfig(FeastConfigBaseModel):
    """Settings of the online store in ``feature_store.yaml``."""

    type: Literal["ml.featurestore.online.store.WholeRowOnlineStore"] = (
        "ml.featurestore.online.store.WholeRowOnlineStore"
    )
    path: str = "online_store.db"
    """Absolute, or relative to the repository; in this project's to ``<CHURN_HOME>/feast``."""


class WholeRowOnlineStore(OnlineStore):
    """Feature values as of one instant, in one SQLite file."""

    _versioned_read_supported = False

    def __init__(self) -> None:
        self._open = threading.local()
        self._plans = Plans()

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Make or change the table of each view; values of columns that stay are readable throughout.

        A view that is used offline only may have columns that cannot be in one table, and a view whose
        entities Feast does not know has no key yet.
        """
        with self.transaction(config) as connection:
            for view in tables_to_delete:
                drop_table(connection, view.name)
            for view in tables_to_keep:
                is_online = getattr(view, "online", True)  # on-demand views that are written have none
                if view.join_keys and (is_online or not clashing_columns(view)):
                    shape_table(connection, view)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop every table; the file stays, because other processes may have it open."""
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
        """Write rows; of two for one key the later event timestamp stays, on a tie the one created later.

        On a tie of both the last written stays. Features that a row does not name keep their value.
        """
        fields, keys = kinds(table), key_kinds(table)
        named: dict[tuple[str, ...], list[list[Any]]] = {}
        for row in data:
            names = tuple(name for name in fields if name in row[1])
            named.setdefault(names, []).append(
                pushed_row(row, keys, [(name, fields[name]) for name in names])
            )
        with self.transaction(config) as connection:
            shape_table(connection, table)
            for names, rows in named.items():
                connection.executemany(upsert(table, names, table_name(table.name)), rows)
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Answer]:
        """The row of each entity key, in their order; ``(None, None)`` for an unknown key."""
        wanted = requested_features or kinds(table)
        reader = ViewReader(table, [name for name in kinds(table) if name in wanted])
        with self.snapshot(config) as connection:
            rows = reader.rows(connection, [plain_key(key, reader.keys) for key in entity_keys])
        return [answer(reader, row) for row in rows]

    def get_online_features(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: list[dict[str, Any]] | Mapping[str, Any],
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        include_feature_view_version_metadata: bool = False,
    ) -> OnlineResponse:
        """Feast's response, from one state of the store; Feast's own code answers unusual requests."""
        if not include_feature_view_version_metadata and not metrics._config.online_features:
            columns = columns_of_request(entity_rows)
            plan = self._plans.plan(registry, project, features, full_feature_names) if columns else None
            response = plan.answer(columns, self.snapshot(config)) if plan and columns else None
            if response is not None:
                return response
        return super().get_online_features(
            config,
            features,
            entity_rows,
            registry,
            project,
            full_feature_names,
            include_feature_view_version_metadata,
        )

    async def get_online_features_async(self, *args: Any, **kwargs: Any) -> OnlineResponse:
        """The same, in a thread."""
        return await asyncio.to_thread(self.get_online_features, *args, **kwargs)

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: list[tuple[Any, list[str]]],
        join_key_values: Any,
        entity_name_to_join_key_map: Any,
        online_features_response: Any,
        *rest: Any,
    ) -> None:
        """Read every view of one request from one state of the store (a hook of Feast's)."""
        with self.snapshot(config):
            super()._read_features_per_fv(
                config,
                grouped_refs,
                join_key_values,
                entity_name_to_join_key_map,
                online_features_response,
                *rest,
            )
        first = len(online_features_response.results) - sum(len(features) for _, features in grouped_refs)
        for view, features in grouped_refs:
            hide_expired(view, online_features_response.results[first : first + len(features)])
            first += len(features)

    def watermark(self, config: RepoConfig, view: FeatureView) -> datetime | None:
        """The instant up to which ``view`` has its present source; None if it has another or none."""
        sql = "select until from materialized where view = ? and source = ?"
        row = self._connection(config).execute(sql, (view.name, view.batch_source.path)).fetchone()
        return as_datetime(row[0]) if row else None

    def materialized(self, config: RepoConfig, view: FeatureView) -> tuple[str, datetime] | None:
        """The source that ``view`` was loaded from, and up to which instant; None if it was not loaded."""
        sql = "select source, until from materialized where view = ?"
        row = self._connection(config).execute(sql, (view.name,)).fetchone()
        return (row[0], as_datetime(row[1])) if row else None

    def mark(self, config: RepoConfig, view: FeatureView, until: datetime) -> None:
        """Record that ``view`` has its present source up to ``until``, also under the name of the source."""
        source, text = view.batch_source.path, stamp(until)
        with self.transaction(config) as connection:
            shape_table(connection, view)
            connection.execute(
                "insert or replace into materialized values (?, ?, ?)", (view.name, source, text)
            )
            connection.execute("insert or replace into remembered values (?, ?)", (source, text))

    def remembered(self, config: RepoConfig, source: str) -> datetime | None:
        """The instant up to which ``source`` was loaded last, even if another is loaded now."""
        sql = "select until from remembered where source = ?"
        row = self._connection(config).execute(sql, (source,)).fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    def sources(self, config: RepoConfig) -> dict[str, str]:
        """View -> the source it was loaded from."""
        connection = self._connection_to_read(config)
        return dict(connection.execute("select view, source from materialized").fetchall())

    def fits(self, config: RepoConfig, view: FeatureView) -> bool:
        """Whether the table of ``view`` has the right columns."""
        return has_shape(self._connection(config), view)

    def has_pushed(self, config: RepoConfig, view: FeatureView) -> bool:
        """Whether ``view`` has rows that the compute engine did not write."""
        sql = f"select exists (select 1 from {quoted(table_name(view.name))} where {PUSHED} is not null)"
        return bool(self._connection(config).execute(sql).fetchone()[0])

    def forget(self, config: RepoConfig, view: FeatureView, keys: Sequence[Sequence[Any]]) -> None:
        """Delete the rows of some keys that were not pushed, because the new rows may be older."""
        matches = " and ".join(f"{quoted(key)} = ?" for key in view.join_keys)
        sql = f"delete from {quoted(table_name(view.name))} where {matches} and {PUSHED} is null"
        with self.transaction(config) as connection:
            connection.executemany(sql, keys)

    def write(self, config: RepoConfig, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        """Write rows of the compute engine; an older one never replaces a newer one."""
        with self.transaction(config) as connection:
            put(connection, view, rows, table_name(view.name))

    def resume(self, config: RepoConfig, view: FeatureView, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """The progress of a load aside: ``last`` key (None at the beginning), ``rows``, ``whole`` or not.

        Parameters
        ----------
        fingerprint : dict
            What is being loaded; an unfinished load of anything else is dropped.
        """
        connection, aside = self._connection(config), aside_name(view.name)
        text = json.dumps([fingerprint, create(view, aside)], sort_keys=True)
        row = connection.execute("select said, whole from loading where view = ?", (view.name,)).fetchone()
        if row and row[0] == text and table_columns(connection, aside):
            keys = ", ".join(map(quoted, view.join_keys))
            backwards = ", ".join(f"{quoted(key)} desc" for key in view.join_keys)
            last = f"select {keys} from {quoted(aside)} order by {backwards} limit 1"
            rows = self.count(config, view, aside)
            return {"last": connection.execute(last).fetchone(), "rows": rows, "whole": bool(row[1])}
        with self.transaction(config) as connection:
            connection.execute(f"drop table if exists {quoted(aside)}")
            connection.execute(create(view, aside))
            index_pushed(connection, view, aside)
            connection.execute("insert or replace into loading values (?, ?, 0)", (view.name, text))
        return {"last": None, "rows": 0, "whole": False}

    def load(self, config: RepoConfig, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        """Write rows aside, where no reader sees them."""
        with self.transaction(config) as connection:
            put(connection, view, rows, aside_name(view.name))

    def finish_load(self, config: RepoConfig, view: FeatureView, rows: int) -> None:
        """Record that the load aside is whole.

        Raises
        ------
        RowsLostError
            The number of rows is not the expected one.
        """
        present = self.count(config, view, aside_name(view.name))
        with self.transaction(config) as connection:
            if present != rows:
                connection.execute("delete from loading where view = ?", (view.name,))
            connection.execute("update loading set whole = 1 where view = ?", (view.name,))
        if present != rows:
            raise RowsLostError(
                f"{view.name}: {rows} customers offline but {present} online; nothing was changed"
            )

    def swap(self, config: RepoConfig, view: FeatureView, with_pushed: bool) -> None:
        """Replace the table of ``view`` by the one aside, optionally with the pushed rows.

        A file that is newer than the registration of the view has no table yet.
        """
        table = quoted(table_name(view.name))
        with self.transaction(config) as connection:
            shape_table(connection, view)
            if with_pushed:
                connection.execute(keep_pushed(view))
            connection.execute(f"alter table {table} rename to {quoted(spare_name(view.name))}")
            connection.execute(f"alter table {quoted(aside_name(view.name))} rename to {table}")
            connection.execute("delete from loading where view = ?", (view.name,))

    def tidy(self, config: RepoConfig) -> None:
        """Drop replaced tables, one after the other, and those of abandoned loads.

        Called at the end of a load, with the lock of ``alone``.
        """
        connection = self._connection(config)
        if connection.in_transaction:
            return
        for name in obsolete_tables(connection):
            connection.execute(f"drop table if exists {quoted(name)}")
        connection.execute("delete from loading")

    def count(self, config: RepoConfig, view: FeatureView, table: str | None = None) -> int:
        """The number of keys of ``view``."""
        sql = f"select count(*) from {quoted(table or table_name(view.name))}"
        return self._connection(config).execute(sql).fetchone()[0]

    @contextmanager
    def alone(self, config: RepoConfig) -> Iterator[None]:
        """Lock the store against other loads, of this and of other processes, which wait.

        A load takes several transactions, in a table aside that every loader would use. A nested call is part
        of the outer one.
        """
        if getattr(self._open, "is_alone", False):
            yield
            return
        with locked(self._path(config).with_suffix(".lock")):
            self._open.is_alone = True
            try:
                yield
            finally:
                self._open.is_alone = False

    @contextmanager
    def transaction(self, config: RepoConfig) -> Iterator[sqlite3.Connection]:
        """A write transaction, or a part of the one that has begun."""
        with within(self._connection(config), "begin immediate") as connection:
            yield connection

    @contextmanager
    def snapshot(self, config: RepoConfig) -> Iterator[sqlite3.Connection]:
        """A read transaction: one state of the store."""
        with within(self._connection_to_read(config), "begin") as connection:
            yield connection

    def _connection(self, config: RepoConfig, to_read: bool = False) -> sqlite3.Connection:
        """This thread's connection to the present file at the store's path, which may have been replaced."""
        opened: OpenConnection | None = getattr(self._open, "opened", None)
        if opened is None or not opened.is_current(to_read):
            self._open.opened = opened = OpenConnection(self._path(config), to_read)
        return opened.connection

    def _connection_to_read(self, config: RepoConfig) -> sqlite3.Connection:
        try:
            return self._connection(config, to_read=True)
        except sqlite3.OperationalError:
            return connect_at_rest(self._path(config))

    def _path(self, config: RepoConfig) -> Path:
        return store_path(config.online_store.path, config.repo_path)


def columns_of_request(rows: Any) -> Mapping[str, Any] | None:
    """Entity rows as columns; None if their names differ, which Feast's own code reports."""
    if not isinstance(rows, list):
        return rows or None
    if not rows:
        return None
    names = rows[0].keys()
    if any(row.keys() != names for row in rows):
        return None
    return {name: [row[name] for row in rows] for name in names}


__all__ = ["Answer", "Row", "WholeRowOnlineStore", "WholeRowOnlineStoreConfig", "connect_at_rest", "stamp"]
