"""Feature values online: what the store holds, plus on-demand features at the as-of instant."""

import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.paths import registry_file
from ml.featurestore.feast_objects import ASKED, SERVICE
from ml.featurestore.online.store import WholeRowOnlineStore, stamp
from ml.featurestore.repository import open_store

TRIES, PAUSE = 5, 0.05


class OnlineReader:
    """Answers for one home, over and over; sees a newer registry as soon as it is there.

    Parameters
    ----------
    home : Path, optional
        The home folder (default: ``CHURN_HOME``).
    """

    def __init__(self, home: Path | None = None):
        self._registry = registry_file(home)
        self._seen = self._signature()
        self._accepted: tuple[Any, dict[str, str]] | None = None
        self.store = open_store(home)
        self._look()

    def features(self, customer_ids: Sequence[str], asked_at: datetime) -> list[dict[str, Any]]:
        """The newest materialized features of some customers.

        Parameters
        ----------
        customer_ids : sequence of str
            Whom to look up; duplicates are answered twice.
        asked_at : datetime
            The instant on-demand features (days since ...) are computed at; naive is UTC. Stored features
            are as of the instant that was materialized.

        Returns
        -------
        list of dict
            One for each customer, in the order asked: ``customer_id``, then every feature of the service; all
            None for a customer that is not online.
        """
        if not customer_ids:
            return []
        asked = {"customer_id": list(customer_ids), ASKED: [stamp(asked_at)] * len(customer_ids)}
        answer = self._answer(asked)
        return [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]

    def _answer(self, asked: dict[str, list[str]]) -> dict[str, list[Any]]:
        """Ask; again while registry and store, which are two files, are being changed one after the other."""
        for _ in range(TRIES):
            answer = self._try(asked)
            if answer is not None:
                return answer
            time.sleep(PAUSE)
        return self._ask(asked, accept=True) or {}

    def _try(self, asked: dict[str, list[str]]) -> dict[str, list[Any]] | None:
        """The answer, if definitions and values go together."""
        try:
            return self._ask(asked)
        except sqlite3.OperationalError:
            return None

    def _ask(self, asked: dict[str, list[str]], accept: bool = False) -> dict[str, list[Any]] | None:
        self._keep_current()
        if not isinstance(self.store.provider.online_store, WholeRowOnlineStore):
            return self.store.get_online_features(features=self.service, entity_rows=asked).to_dict()
        with self.store.provider.online_store.snapshot(self.store.config):
            if not self._in_step(accept):
                return None
            return self.store.get_online_features(features=self.service, entity_rows=asked).to_dict()

    def _in_step(self, accept: bool) -> bool:
        """Whether the store holds what the registry describes, or did not for so long that it is meant so."""
        held = self.store.provider.online_store.sources(self.store.config)
        if accept or all(self._sources.get(view) == source for view, source in held.items()):
            self._accepted = (self._seen, held)
        return self._accepted == (self._seen, held)

    def _keep_current(self) -> None:
        seen = self._signature()
        if seen != self._seen:
            self._seen = seen
            self.store.refresh_registry()
            self._look()

    def _look(self) -> None:
        """Note what the registry describes."""
        self.service = self.store.get_feature_service(SERVICE, allow_cache=True)
        views = self.store.list_batch_feature_views(allow_cache=True)
        self._sources = {view.name: view.batch_source.path for view in views}

    def _signature(self) -> tuple[int, int]:
        state = self._registry.stat()
        return state.st_ino, state.st_mtime_ns


def online_features(
    home: Path | None, customer_ids: Sequence[str], asked_at: datetime
) -> list[dict[str, Any]]:
    """One answer of an ``OnlineReader``; keep a reader instead when asking more than once."""
    return OnlineReader(home).features(customer_ids, asked_at)
