"""Feature values online: what the store holds, plus on-demand features at the asked instant."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from feature_repo.objects import ASKED, SERVICE
from feature_repo.online_store import stamp
from feature_repo.paths import feast_path
from feature_repo.repository import open_store


class OnlineReader:
    """Answers for one home, over and over; sees a newer registry as soon as it is there.

    Parameters
    ----------
    home : Path, optional
        The home folder (default: ``CHURN_HOME``).
    """

    def __init__(self, home: Path | None = None):
        self.store = open_store(home)
        self._registry = feast_path(self.store.config.registry.path)
        self._seen = self._signature()
        self.service = self.store.get_feature_service(SERVICE)

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
        self._keep_current()
        asked = {"customer_id": list(customer_ids), ASKED: [stamp(asked_at)] * len(customer_ids)}
        answer = self.store.get_online_features(features=self.service, entity_rows=asked).to_dict()
        return [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]

    def _keep_current(self) -> None:
        if self._signature() != self._seen:
            self._seen = self._signature()
            self.store.refresh_registry()
            self.service = self.store.get_feature_service(SERVICE)

    def _signature(self) -> tuple[int, int]:
        state = self._registry.stat()
        return state.st_ino, state.st_mtime_ns


def online_features(
    home: Path | None, customer_ids: Sequence[str], asked_at: datetime
) -> list[dict[str, Any]]:
    """One answer of an ``OnlineReader``; keep a reader instead when asking more than once."""
    return OnlineReader(home).features(customer_ids, asked_at)
