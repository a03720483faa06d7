"""The online store as Feast's plug-in: one row per key and view, in SQLite, PostgreSQL or Redis.

The compute engine writes many rows together, ``feast push`` single rows; ``get_online_features`` reads them.
An older row never replaces a newer one. A reader sees either all of a materialization or none of it, and is
never locked out. What a database has to do for that is in ``backend.py``.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Any, Literal

from feast import Entity, FeatureService, FeatureView, metrics
from feast.infra.online_stores.online_store import OnlineStore
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from ml.common.errors import RowsLostError, StateChangedError
from ml.common.paths import store_path
from ml.featurestore.online.backend import Backend
from ml.featurestore.online.connection import connect_at_rest
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
    stamp,
)
from ml.featurestore.online.server_address import ENVIRONMENT, address_of
from ml.featurestore.online.server_backend import ServerBackend
from ml.featurestore.online.sqlite_backend import SqliteBackend
from ml.featurestore.online.table_names import clashing_columns
from ml.featurestore.online.value_kinds import key_kinds, kinds

TRIES = 5  # of a request of several reads, whose state may be replaced between two of them


class WholeRowOnlineStoreConfig(FeastConfigBaseModel):
    """Settings of the online store in ``feature_store.yaml``."""

    type: Literal["ml.featurestore.online.store.WholeRowOnlineStore"] = (
        "ml.featurestore.online.store.WholeRowOnlineStore"
    )
    path: str = "online_store.db"
    """Absolute, or relative to the repository; in this project's to ``<CHURN_HOME>/feast``."""
    url: str | None = None
    """Of PostgreSQL or Redis instead of that file; ``CHURN_ONLINE_STORE`` comes first."""


class WholeRowOnlineStore(OnlineStore):
    """Feature values as of one instant."""

    _versioned_read_supported = False

    def __init__(self) -> None:
        self._backends: dict[tuple[Any, ...], Backend] = {}
        self._plans = Plans()

    def backend(self, config: RepoConfig) -> Backend:
        """The database that the settings name."""
        settings = config.online_store
        name = settings.path, config.repo_path, settings.url, os.environ.get(ENVIRONMENT)
        backend = self._backends.get(name)
        if backend is None:
            file = store_path(settings.path, config.repo_path)
            address = address_of(settings.url, file)
            backend = self._backends[name] = ServerBackend(address) if address else SqliteBackend(file)
        return backend

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
        backend = self.backend(config)
        with backend.transaction():
            for view in tables_to_delete:
                backend.drop(view.name)
            for view in tables_to_keep:
                is_online = getattr(view, "online", True)  # on-demand views that are written have none
                if view.join_keys and (is_online or not clashing_columns(view)):
                    backend.shape(view)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop the rows of every view; a file stays, because other processes may have it open."""
        backend = self.backend(config)
        with backend.transaction():
            for view in tables:
                backend.drop(view.name)

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
        backend = self.backend(config)
        with backend.transaction():
            backend.shape(table)
            for names, rows in named.items():
                backend.push(table, names, rows)
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
        (rows,) = self.backend(config).read([(reader, [plain_key(key, reader.keys) for key in entity_keys])])
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
            response = plan.answer(columns, self.backend(config)) if plan and columns else None
            if response is not None:
                return response
        request = features, entity_rows, registry, project, full_feature_names
        for _ in range(TRIES):
            with suppress(StateChangedError):
                return super().get_online_features(config, *request, include_feature_view_version_metadata)
        return super().get_online_features(config, *request, include_feature_view_version_metadata)

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
        source, until = self.materialized(config, view) or (None, None)
        return until if source == view.batch_source.path else None

    def materialized(self, config: RepoConfig, view: FeatureView) -> tuple[str, datetime] | None:
        """The source that ``view`` was loaded from, and up to which instant; None if it was not loaded."""
        row = self.backend(config).materialized().get(view.name)
        return (row[0], as_datetime(row[1])) if row else None

    def mark(self, config: RepoConfig, view: FeatureView, until: datetime) -> None:
        """Record that ``view`` has its present source up to ``until``, also under the name of the source."""
        self.backend(config).mark(view, view.batch_source.path, stamp(until))

    def remembered(self, config: RepoConfig, source: str) -> datetime | None:
        """The instant up to which ``source`` was loaded last, even if another is loaded now."""
        text = self.backend(config).remembered(source)
        return datetime.fromisoformat(text) if text else None

    def sources(self, config: RepoConfig) -> dict[str, str]:
        """View -> the source it was loaded from."""
        return self.backend(config).sources()

    def is_outdated(self, config: RepoConfig) -> bool:
        """Whether the state of the next snapshot was replaced meanwhile; it is then the new one."""
        return self.backend(config).is_outdated()

    def files_read(self, config: RepoConfig, view: FeatureView) -> dict[str, Any] | None:
        """The fingerprint of the files that were read for a view outside a build."""
        return self.backend(config).files_read(view.name)

    def note_files(self, config: RepoConfig, view: FeatureView, fingerprint: dict[str, Any]) -> None:
        """Record what was read."""
        self.backend(config).note_files(view.name, fingerprint)

    def fits(self, config: RepoConfig, view: FeatureView) -> bool:
        """Whether ``view`` has the right columns."""
        return self.backend(config).fits(view)

    def has_pushed(self, config: RepoConfig, view: FeatureView) -> bool:
        """Whether ``view`` has rows that the compute engine did not write."""
        return self.backend(config).has_pushed(view)

    def forget(self, config: RepoConfig, view: FeatureView, keys: Sequence[Sequence[Any]]) -> None:
        """Delete the rows of some keys that were not pushed, because the new rows may be older."""
        self.backend(config).forget(view, keys)

    def write(self, config: RepoConfig, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        """Write rows of the compute engine; an older one never replaces a newer one."""
        self.backend(config).write(view, rows)

    def resume(self, config: RepoConfig, view: FeatureView, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """The progress of a load aside: ``last`` key (None at the beginning), ``rows``, ``whole`` or not.

        Parameters
        ----------
        fingerprint : dict
            What is being loaded; an unfinished load of anything else is dropped.
        """
        return self.backend(config).resume(view, fingerprint)

    def load(self, config: RepoConfig, view: FeatureView, rows: Iterator[Sequence[Any]]) -> None:
        """Write rows aside, where no reader sees them."""
        self.backend(config).load(view, rows)

    def finish_load(self, config: RepoConfig, view: FeatureView, rows: int) -> None:
        """Record that the load aside is whole.

        Raises
        ------
        RowsLostError
            The number of rows is not the expected one.
        """
        present = self.backend(config).finish_load(view, rows)
        if present != rows:
            raise RowsLostError(
                f"{view.name}: {rows} customers offline but {present} online; nothing was changed"
            )

    def swap(self, config: RepoConfig, view: FeatureView, with_pushed: bool) -> None:
        """Replace the rows of ``view`` by those aside, optionally with the pushed rows."""
        self.backend(config).swap(view, with_pushed)

    def tidy(self, config: RepoConfig) -> None:
        """Drop replaced rows and those of abandoned loads; at the end of a load, with ``alone``."""
        self.backend(config).tidy()

    def count(self, config: RepoConfig, view: FeatureView) -> int:
        """The number of keys of ``view``."""
        return self.backend(config).count(view)

    def alone(self, config: RepoConfig) -> AbstractContextManager[None]:
        """Lock the store against other loads, of this and of other processes, which wait.

        A load takes several transactions, in rows aside that every loader would use. A nested call is part
        of the outer one.
        """
        return self.backend(config).alone()

    def transaction(self, config: RepoConfig) -> AbstractContextManager[Any]:
        """A write transaction, or a part of the one that has begun."""
        return self.backend(config).transaction()

    def snapshot(self, config: RepoConfig) -> AbstractContextManager[Any]:
        """Reads of one state of the store."""
        return self.backend(config).snapshot()


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
