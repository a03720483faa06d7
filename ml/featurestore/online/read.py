"""Feature values online: the values in the store, and on-demand features at the as-of instant."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.errors import NotOnlineError, StateChangedError
from ml.common.paths import registry_file
from ml.featurestore.feast_objects import EVENT_TIMESTAMP, SERVICE
from ml.featurestore.online.store import WholeRowOnlineStore, stamp
from ml.featurestore.repository import open_store

# A materialization replaces registry and values within milliseconds; a quarter of a second is ample.
TRIES, PAUSE = 5, 0.05


class OnlineReader:
    """Reads the online features of one home; sees a newer registry at once.

    Parameters
    ----------
    home : Path, optional
        The home folder (default: ``CHURN_HOME``).
    """

    def __init__(self, home: Path | None = None):
        self._registry = registry_file(home)
        self._registry_seen = self._signature()
        self._accepted_state: tuple[Any, dict[str, str]] | None = None
        self.store = open_store(home)
        self._read_registry()

    def features(self, customer_ids: Sequence[str], asked_at: datetime) -> list[dict[str, Any]]:
        """The newest materialized features of some customers.

        Parameters
        ----------
        customer_ids : sequence of str
            The customers to look up; duplicates are allowed.
        asked_at : datetime
            The instant on-demand features (days since ...) are computed at; naive is UTC. Stored features
            are as of the instant that was materialized.

        Returns
        -------
        list of dict
            One for each customer, in the same order: ``customer_id``, then every feature of the service; all
            None for a customer that is not online.
        """
        if not customer_ids:
            return []
        entity_rows = {
            "customer_id": list(customer_ids),
            EVENT_TIMESTAMP: [stamp(asked_at)] * len(customer_ids),
        }
        answer = self._answer(entity_rows)
        return [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]

    def _answer(self, entity_rows: dict[str, list[str]]) -> dict[str, list[Any]]:
        """Read, and retry while registry and store, two files, are being replaced one after the other."""
        for _ in range(TRIES):
            with suppress(sqlite3.OperationalError, NotOnlineError):
                if (features := self._ask_present(entity_rows)) is not None:
                    return features
            time.sleep(PAUSE)
        return self._ask_present(entity_rows, accept=True) or {}

    def _ask_present(
        self, entity_rows: dict[str, list[str]], accept: bool = False
    ) -> dict[str, list[Any]] | None:
        """Ask again at once where the answer was of a state of the store that has been replaced."""
        for _ in range(TRIES):
            with suppress(StateChangedError):
                features = self._ask(entity_rows, accept)
                if features is not None or not self._is_outdated():
                    return features
        return self._ask(entity_rows, accept)

    def _is_outdated(self) -> bool:
        online = self.store.provider.online_store
        return isinstance(online, WholeRowOnlineStore) and online.is_outdated(self.store.config)

    def _ask(self, entity_rows: dict[str, list[str]], accept: bool = False) -> dict[str, list[Any]] | None:
        """The features, or None if definitions and values do not match."""
        self._keep_current()
        if not isinstance(self.store.provider.online_store, WholeRowOnlineStore):
            return self.store.get_online_features(features=self.service, entity_rows=entity_rows).to_dict()
        with self.store.provider.online_store.snapshot(self.store.config):
            if not self._is_consistent(accept):
                return None
            return self.store.get_online_features(features=self.service, entity_rows=entity_rows).to_dict()

    def _is_consistent(self, accept: bool) -> bool:
        """Whether the store has what the registry describes, or a difference that was accepted before."""
        sources = self.store.provider.online_store.sources(self.store.config)
        if accept or all(self._sources.get(view) == source for view, source in sources.items()):
            self._accepted_state = (self._registry_seen, sources)
        return self._accepted_state == (self._registry_seen, sources)

    def _keep_current(self) -> None:
        signature = self._signature()
        if signature != self._registry_seen:
            self._registry_seen = signature
            self.store.refresh_registry()
            self._read_registry()

    def _read_registry(self) -> None:
        """Remember the service and the sources of the registry."""
        self.service = self.store.get_feature_service(SERVICE, allow_cache=True)
        views = self.store.list_batch_feature_views(allow_cache=True)
        self._sources = {view.name: view.batch_source.path for view in views}

    def _signature(self) -> tuple[int, int]:
        state = self._registry.stat()
        return state.st_ino, state.st_mtime_ns
