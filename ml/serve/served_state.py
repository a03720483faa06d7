"""Which build, model and instant are served: those of the online store, swapped in between two requests.

A build, a materialization, a rollback or a promotion makes another state. It is prepared aside, by one worker
for all, while requests are answered from the state before.
"""

import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from ml.common.errors import NotReadyError, TidemarkError
from ml.common.instant_grammar import parse_text
from ml.common.progress import SILENT
from ml.config.problem import Problem
from ml.featurestore.catalog import read_catalog
from ml.featurestore.online.status import online_views
from ml.home.erased_keys import when_changed
from ml.home.layout import Home, model_of
from ml.home.read_leases import lease
from ml.home.write_lock import alone
from ml.metrics.chance import check_better_than_chance
from ml.model.fitted_model import FittedModel
from ml.score.logged_builds import remember_build
from ml.serve.live_scores import LiveScores
from ml.serve.scored_file import Scored, ScoredFile, remove_older, scored_path, write_scored_file
from ml.warehouse.current_model import champion_of, check_same_features

PAUSE = 0.5  # seconds between two looks at the home; a look takes a millisecond
LONGEST_PAUSE = 30.0  # between two attempts to load a state that cannot be loaded
# What may pass by the next look: a file deleted, locked or half written while it is read.
FAULTS = (TidemarkError, OSError, ValueError, sqlite3.Error, duckdb.Error)


@dataclass(frozen=True, eq=False)
class Served:
    """What a request is answered from, from its first line to its last.

    Parameters
    ----------
    build : Path
    model : FittedModel
    as_of : datetime
        The instant the scores hold for.
    scored : ScoredFile
        Everyone's scores.
    live : LiveScores
        Those of customers whom pushed facts touch.
    """

    build: Path
    model: FittedModel
    as_of: datetime
    scored: ScoredFile
    live: LiveScores

    def find(self, customer_id: str) -> Scored | None:
        """A customer's row; None for one who is not known."""
        return self.live.find(customer_id) or self.scored.find(customer_id)

    def instant_of(self, row: Scored) -> datetime:
        """The instant that a customer's score holds for."""
        return parse_text(row.event_timestamp) if row.event_timestamp else self.as_of


class ServedState:
    """The present state of a home, and the thread that keeps it current.

    Parameters
    ----------
    home : Home
    problem : Problem
    """

    def __init__(self, home: Home, problem: Problem) -> None:
        self.home, self.problem = home, problem
        self.served: Served | None = None
        self.fault = "nothing has been loaded yet"
        self._signature: object = None
        self._failed: object = None
        self._pause, self._next_attempt = PAUSE, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="served state", daemon=True)

    def start(self) -> None:
        """Load the state, then watch for another."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _watch(self) -> None:
        while not self._stop.wait(PAUSE):
            self.refresh()

    def refresh(self) -> None:
        """Swap in another state if there is one; what prevents it is the fault.

        Loading may score everyone, so a state that cannot be loaded is tried again after ever longer pauses.
        """
        signature = None
        try:
            signature = (*self.signature(), when_changed(self.home.root))
            if signature != self._signature:
                if signature == self._failed and time.monotonic() < self._next_attempt:
                    return
                self.served, self._signature = self.load(*signature[:3]), signature
            self.fault, self._failed = "", None
        except FAULTS as error:
            self.fault = str(error)
            is_repeated = signature is not None and signature == self._failed
            self._pause = min(2 * self._pause, LONGEST_PAUSE) if is_repeated else PAUSE
            self._failed, self._next_attempt = signature, time.monotonic() + self._pause

    def signature(self) -> tuple[Path, Path, datetime]:
        """The build and the instant of the online store, and the champion that goes with that build.

        Raises
        ------
        NotReadyError
            Nothing is online, or views of several builds or instants are.
        """
        views = online_views(self.home.root)
        states = {(view.build, view.until) for view in views}
        if len(states) != 1:
            what = "nothing is online" if not states else "the online store has values of several builds"
            raise NotReadyError(f"{what}: run 'churn materialize'")
        ((name, as_of),) = states
        build = self.home.builds / name
        return build, model_of(build, self.problem.name), as_of.replace(tzinfo=None)

    def load(self, build: Path, _model: Path, as_of: datetime) -> Served:
        """Open the scores of a state, made first where they are missing."""
        with lease(build) as is_there:
            if not is_there:
                raise NotReadyError(
                    f"{build.name}, whose values are online, is gone: run 'churn materialize'"
                )
            model = champion_of(build, self.problem, SILENT)
            check_better_than_chance(model.facts)
            catalog = read_catalog(build)
            check_same_features(model, catalog, build)
            path = scored_path(self.home, build, model, as_of)
            if not path.exists():
                with alone(path.parent):
                    if not path.exists():
                        write_scored_file(path, build, model, catalog, as_of)
            with suppress(OSError):  # a log that cannot be written stops no answer
                remember_build(self.home, build)
        scored = ScoredFile(path)
        remove_older(path)
        live = LiveScores(self.home, build, model, as_of, scored)
        live.refresh()
        return Served(build, model, as_of, scored, live)

    def get(self) -> Served:
        """The present state.

        Raises
        ------
        NotReadyError
            There is none yet.
        """
        if self.served is None:
            raise NotReadyError(self.fault)
        return self.served

    @property
    def is_ready(self) -> bool:
        """Whether model, features, build and online store agree with what is served."""
        return self.served is not None and not self.fault
