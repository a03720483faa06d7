"""Scores of the customers whom pushed facts touch, ahead of the next build.

They are made by the build's own SQL over the raw rows of these customers, as of the newest of the facts, and
kept beside everyone's scores, in ``<home>/serve/scored/<build>.<model>.<instant>.live``, so that every worker
gives the same answers. A build that looks back from an instant (``--as-of``) knows nothing later.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.instant_grammar import parse_text
from ml.config.problem import PENDING
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import label_terms_of, read_build_manifest
from ml.home.layout import Home
from ml.ingest.manifest import read_load_manifest
from ml.journal.pushes import Pushes, has_pushes
from ml.journal.staged_load import staged_load
from ml.model.fitted_model import FittedModel
from ml.score.customer_build import build_of_customers
from ml.serve.scored_file import COLUMNS, TABLES, Scored, ScoredFile, find_row, scored_rows

BUSY_SECONDS = 10
NEWEST = "newest_push"


class LiveScores:
    """Scores ahead of the build that is served.

    Parameters
    ----------
    home : Home
    build : Path
        The build that is served.
    model : FittedModel
    as_of : datetime
        The instant of everyone's scores.
    scored : ScoredFile
        Everyone's scores.
    """

    def __init__(
        self, home: Home, build: Path, model: FittedModel, as_of: datetime, scored: ScoredFile
    ) -> None:
        self.home, self.build, self.model, self.as_of, self.scored = home, build, model, as_of, scored
        self.path = scored.path.with_suffix(".live")
        manifest = read_build_manifest(build)
        self.looks_back = manifest.get("as_of") is not None
        self.has_population = (
            model.problem.label in PENDING
            and label_terms_of(manifest).churn["active_within_days"] == model.problem.active_within_days
        )
        self.load = home.raw / manifest["load_id"]
        self._pushes: Pushes | None = None
        self._rows: sqlite3.Connection | None = None
        self._newest = 0
        self._lock = threading.Lock()

    def is_current(self) -> bool:
        """Whether every push is counted; a look of some microseconds."""
        if self.looks_back:
            return True
        if self._pushes is None:
            if not has_pushes(self.home):
                return True
            self._pushes = Pushes(self.home)
        return self._pushes.newest_number() == self._newest

    def find(self, customer_id: str) -> Scored | None:
        """A customer's row; None for one whom no pushed fact touches."""
        found = find_row(self._rows, customer_id) if self._rows else None
        if found is None:
            return None
        return replace(found, event_timestamp=json.loads(found.score)["event_timestamp"])

    def refresh(self) -> None:
        """Score the customers of pushes that are not counted yet.

        Raises
        ------
        NotReadyError, SourceError, BuildError
            Their raw rows cannot be read, or the build's SQL does not run over them.
        """
        if self.is_current():
            return
        with self._lock, Pushes(self.home) as pushes, pushes.alone():
            newest = pushes.newest_number()
            with closing(self.opened()) as connection:
                done = newest_of(connection)
                if done < newest:
                    touched = pushes.touched(self.ingests, after=done)
                    rows = list(self.rows_of(touched, staged_load(self.home, pushes))) if touched else []
                    self.write(connection, rows, newest)
            if self._rows is None:
                self._rows = self.opened()
            self._newest = newest

    @property
    def ingests(self) -> list[str]:
        """The ingests of the load that the build was made from."""
        return [str(ingested["load_id"]) for ingested in read_load_manifest(self.load)["ingests"]]

    def opened(self) -> sqlite3.Connection:
        """The file of these scores."""
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("pragma journal_mode = wal")
        for statement in TABLES:
            connection.execute(statement.replace("create table", "create table if not exists"))
        return connection

    def write(self, connection: sqlite3.Connection, rows: list[tuple[Any, ...]], newest: int) -> None:
        """Put rows in place of earlier ones, in one step."""
        connection.execute("begin immediate")
        marks = ", ".join("?" * len(COLUMNS.split(",")))
        connection.executemany(f"insert or replace into scores ({COLUMNS}) values ({marks})", rows)
        connection.execute("insert or replace into facts values (?, ?)", (NEWEST, str(newest)))
        connection.execute("commit")

    def rows_of(self, touched: Mapping[str, datetime | None], load: Path) -> Iterator[tuple[Any, ...]]:
        """The rows of some customers, each as of the newest of its facts."""
        instants = {customer: max(self.as_of, newest or self.as_of) for customer, newest in touched.items()}
        with build_of_customers(self.build, load, [*touched], max(instants.values())) as made:
            for instant in sorted({*instants.values()}):
                chosen = {customer for customer, at in instants.items() if at == instant}
                yield from self.scored_at(made, instant, chosen)

    def scored_at(self, made: Path, instant: datetime, customers: set[str]) -> Iterator[tuple[Any, ...]]:
        """The rows of some customers at an instant, from a build of them."""
        eligible = None if self.has_population else self.eligible(customers)
        for rows in scored_rows(made, self.model, read_catalog(made), instant, eligible):
            yield from (row for row in rows if row[0] in customers)

    def eligible(self, customers: set[str]) -> set[str]:
        """Who of some customers is in the population, where only a build of everyone can say."""
        rows = {customer: self.scored.find(customer) for customer in customers}
        return {customer for customer, row in rows.items() if row and row.is_eligible}

    @contextmanager
    def build_and_load(self, row: Scored) -> Iterator[tuple[Path, Path]]:
        """What all that is known of a customer is read from: a build, and the raw rows that it was made from.

        Of a customer whom pushed facts touch the build is of that customer alone, with these facts.
        """
        if row.event_timestamp is None:
            yield self.build, self.load
            return
        as_of = parse_text(row.event_timestamp)
        with (
            self.raw_rows() as load,
            build_of_customers(self.build, load, [row.customer_id], as_of) as made,
        ):
            yield made, load

    @contextmanager
    def raw_rows(self) -> Iterator[Path]:
        """The load with every fact that counts; it is not changed until the end of the block."""
        if self.looks_back or not has_pushes(self.home):
            yield self.load
            return
        with Pushes(self.home) as pushes, pushes.alone():
            yield staged_load(self.home, pushes)


def newest_of(connection: sqlite3.Connection) -> int:
    """The newest push that the file counts."""
    row = connection.execute("select value from facts where name = ?", (NEWEST,)).fetchone()
    return int(row[0]) if row else 0
