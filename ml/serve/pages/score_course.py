"""One customer's scores over time: past ones, the one at an instant with its reasons, and those to come.

Feature tables have a row for each change that follows from what is known already, such as an order that
leaves a window. Read at instants after the data clock they say what the score becomes if nothing happens.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ml.config.problem import PENDING, Problem
from ml.explain.contributions import contributions
from ml.explain.reason_text import wordings
from ml.features.labels import POPULATION, parquet
from ml.featurestore.catalog import Catalog, View, read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import checked_as_of, data_clock
from ml.model.fitted_model import FittedModel
from ml.score.scoring import score_names
from ml.serve.answers import is_known
from ml.serve.entity_rows import rows_at, without_keys
from ml.serve.scored_file import Scored, json_value, reason_entries
from ml.serve.served_state import Served

WEEK, DAY = timedelta(days=7), timedelta(days=1)
PAST_WEEKS = 26
CHANGES_MAX = 60  # rows to come that are read of a table; a year of a busy customer
HIGH = "high"
ROWS_TO_COME = """
(from {rows} where customer_id = $1 and event_timestamp <= $2 order by event_timestamp desc limit 1)
union all
(from {rows} where customer_id = $1 and event_timestamp > $2 order by event_timestamp limit {most})
"""


@dataclass(frozen=True)
class Point:
    """A score at an instant; prediction and band are None before the customer was known."""

    at: datetime
    prediction: float | None
    band: str | None = None
    decision: bool | None = None


@dataclass(frozen=True)
class Change:
    """A row to come of a feature table: feature to its value before and from then on."""

    at: datetime
    values: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Course:
    """Scores of one customer.

    Parameters
    ----------
    past, future : list of Point
        In order of time; the future is empty where an instant of the past was asked about.
    present : Point
        At the instant asked about.
    starts : datetime
        From when on the future holds if nothing happens: the data clock.
    features : dict
        Every feature at the instant of ``present``.
    reasons : list of dict
        Text, feature, value and contribution of each reason of ``present``.
    changes : list of Change
        Rows to come.
    leaves_at : datetime, optional
        When the customer leaves the population if nothing happens; None where that is not known.
    turns_high : Point, optional
        The first score to come in the high band, to the day, where the present one is not in it.
    """

    past: list[Point]
    present: Point
    future: list[Point]
    starts: datetime
    features: dict[str, Any]
    reasons: list[dict[str, Any]]
    changes: list[Change]
    leaves_at: datetime | None
    turns_high: Point | None


def score_course(served: Served, build: Path, row: Scored, as_of: datetime | None) -> Course:
    """The course of a customer; with the future unless it is asked about an instant of the past.

    Parameters
    ----------
    build : Path
        That of ``LiveScores.build_and_load``.
    row : Scored
        The score that is served.

    Raises
    ------
    UsageError
        ``as_of`` is after the data clock.
    """
    checked_as_of(build, as_of)
    return Courses(served, build, row).course(as_of)


class Courses:
    """Reads the course of one customer."""

    def __init__(self, served: Served, build: Path, row: Scored) -> None:
        self.build, self.model, self.customer = build, served.model, row.customer_id
        self.served_at, self.scored = served.instant_of(row), row
        self.catalog: Catalog = read_catalog(build)
        self.clock = data_clock(build)

    def course(self, as_of: datetime | None) -> Course:
        now = as_of or self.served_at
        past = [now - WEEK * number for number in range(PAST_WEEKS, 0, -1)]
        leaves_at = self.leaves_at(now if as_of else self.clock)
        changes = [] if as_of else self.changes()
        future = [] if as_of else self.instants_to_come(changes, leaves_at)
        table = point_in_time(self.build, rows_at(self.customer, [*past, now, *future]))
        points = self.points(table)
        row = table.slice(len(past), 1)
        present, to_come = points[len(past)], points[len(past) + 1 :]
        return Course(
            past=points[: len(past)],
            present=present,
            future=to_come,
            starts=self.clock,
            features=without_keys(row.to_pylist()[0]),
            reasons=self.reasons(present, row, as_of),
            changes=[change for change in changes if not leaves_at or change.at <= leaves_at],
            leaves_at=leaves_at,
            turns_high=turning_point(present, to_come),
        )

    def points(self, table: pa.Table) -> list[Point]:
        """The score of each row."""
        frame = self.model.frame(table)
        scores = self.model.scores(frame)
        predictions = scores[score_names(self.model.problem)[0]].tolist()
        bands = scores.get("risk_band", [None] * len(table))
        decisions = scores.get("churn_decision", [None] * len(table))
        instants = table.column("event_timestamp").to_pylist()
        known = is_known(table, self.catalog.views[0].features[0].name)
        return [
            Point(at, prediction, json_value(band), json_value(decision)) if is_there else Point(at, None)
            for at, prediction, band, decision, is_there in zip(
                instants, predictions, bands, decisions, known, strict=True
            )
        ]

    def instants_to_come(self, changes: Sequence[Change], leaves_at: datetime | None) -> list[datetime]:
        """A day apart, and at each change; until the customer leaves the population."""
        end = self.clock + DAY * look_ahead(self.model.problem)
        end = min(end, leaves_at - timedelta(microseconds=1)) if leaves_at else end
        days = [self.clock + DAY * number for number in range((end - self.clock) // DAY + 1)]
        return sorted({*days, *(change.at for change in changes if change.at <= end)})

    def reasons(self, present: Point, row: pa.Table, as_of: datetime | None) -> list[dict[str, Any]]:
        """The reasons of the score at the instant asked about; those of the present are served."""
        if present.prediction is None:
            return []
        if as_of is None:
            reasons: list[dict[str, Any]] = json.loads(self.scored.reasons)
            return reasons
        return reasons_of(self.model, self.catalog, row)

    def leaves_at(self, instant: datetime) -> datetime | None:
        """Until when a customer who is in the population stays in it without an order."""
        folder = self.build / POPULATION
        if self.model.problem.label not in PENDING or not folder.is_dir():
            return None
        query = f"""
            select max(active_until) from {parquet(folder)}
            where customer_id = $1 and active_from <= $2 and active_until > $2
        """
        with duckdb.connect() as connection:
            ((until,),) = connection.execute(query, [self.customer, instant]).fetchall()
        return until

    def changes(self) -> list[Change]:
        """The rows to come of all feature tables, by instant."""
        by_instant: dict[datetime, dict[str, tuple[Any, Any]]] = {}
        with duckdb.connect() as connection:
            for view in self.catalog.views:
                for at, values in changes_of(connection, view, self.customer, self.clock):
                    by_instant.setdefault(at, {}).update(values)
        return [Change(at, by_instant[at]) for at in sorted(by_instant)]


def turning_point(present: Point, future: Sequence[Point]) -> Point | None:
    """The first score to come in the high band."""
    if present.band == HIGH:
        return None
    return next((point for point in future if point.band == HIGH), None)


def look_ahead(problem: Problem) -> int:
    """Days to come: after as many without an order nobody is in the population any more."""
    return max(problem.active_within_days, problem.horizon_days)


def changes_of(
    connection: duckdb.DuckDBPyConnection, view: View, customer: str, clock: datetime
) -> Iterator[tuple[datetime, dict[str, tuple[Any, Any]]]]:
    """The changes after an instant in one feature table: when, and feature to value before and after."""
    query = ROWS_TO_COME.format(rows=parquet(view.path), most=CHANGES_MAX)
    rows = connection.execute(query, [customer, clock]).to_arrow_table().to_pylist()
    rows.sort(key=lambda row: row["event_timestamp"])
    names = [feature.name for feature in view.features]
    for before, after in pairwise(rows):
        values = {name: (before[name], after[name]) for name in names if before[name] != after[name]}
        if values:
            yield after["event_timestamp"], values


def reasons_of(model: FittedModel, catalog: Catalog, row: pa.Table) -> list[dict[str, Any]]:
    """The reasons of one row's score."""
    frame = model.frame(row)
    added = contributions(model, frame)
    (entries,) = reason_entries(model, frame, added, wordings(model.inputs, catalog))
    return entries
