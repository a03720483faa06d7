"""Realised performance of ripe predictions, and the estimated one of those that are not ripe yet."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.array_types import Flags, Floats
from ml.common.instants import parse_instant
from ml.config.problem import REGRESSION, RISK_BANDS
from ml.metrics.bootstrap import customer_weights
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.monitor.betting import log_wealth, risk_at_least
from ml.monitor.estimated_performance import estimated_performance
from ml.monitor.groups import Realised, figures_of, realised
from ml.monitor.report import BandFigures, Performance
from ml.monitor.settings import MonitorSettings
from ml.monitor.weeks import WEEK, ScoredRows

ALPHA = 0.05  # how often the bet pages falsely over a model's whole life
FINITE_MAX = 1e12


@dataclass(frozen=True)
class RipeRows:
    """Predictions that no training saw, with their labels.

    Parameters
    ----------
    week, prediction, label, customer : arrays of shape (rows,)
    is_new : array of shape (rows,)
        Whether the cut-off is later than all that the champion was trained and evaluated on.
    """

    week: NDArray[Any]
    prediction: Floats
    label: Floats
    customer: NDArray[Any]
    is_new: Flags = field(default_factory=lambda: np.empty(0, dtype=bool))

    @classmethod
    def of(cls, scored: ScoredRows, labelled: pa.Table, model: FittedModel) -> "RipeRows":
        """From scored rows and the same rows with their labels."""
        last = parse_instant(model.facts["split"]["test"]["last"])
        instants = labelled.column("event_timestamp").to_numpy()
        return cls(
            scored.rows[WEEK].to_numpy(),
            scored.prediction,
            labelled.column("label").to_numpy(),
            labelled.column("customer_id").to_numpy(zero_copy_only=False).astype(str),
            instants > np.datetime64(last),
        )

    @classmethod
    def none(cls) -> "RipeRows":
        empty = np.empty(0)
        return cls(np.empty(0, dtype=np.int64), empty, empty, np.empty(0, dtype=str))

    def taken(self, rows: NDArray[Any]) -> "RipeRows":
        """Some of the rows."""
        return RipeRows(
            self.week[rows], self.prediction[rows], self.label[rows], self.customer[rows], self.is_new[rows]
        )


def never_trained_on(labels: pa.Table, model: FittedModel) -> pa.Table:
    """The labelled rows of cut-offs after those that trained, chose or calibrated the champion."""
    last = parse_instant(model.facts["split"]["validation"]["last"])
    instants = labels.column("event_timestamp").to_numpy()
    return labels.filter(pa.array(instants > np.datetime64(last)))


def weekly(ripe: RipeRows, weeks: int, model: FittedModel) -> Realised:
    """Realised figures week by week."""
    return realised(ripe.week, ripe.prediction, ripe.label, weeks, model.problem.task == REGRESSION)


def wealth_by_cutoff(ripe: RipeRows, limit: float, gap: int) -> Floats:
    """The logarithm of the bettor's wealth after each cut-off; the largest says whether it ever paged.

    Of a customer only cut-offs whose horizons do not overlap count, so that each outcome was known before the
    next prediction; customers stand in the order of their rows, which does not depend on outcomes.
    """
    new = ripe.taken(ripe.is_new)
    if not len(new.week):
        return np.empty(0)
    new = new.taken((new.week - new.week.min()) % gap == 0)
    order = np.argsort(new.week, kind="stable")
    new = new.taken(order)
    wealth = log_wealth((new.prediction - new.label) ** 2, limit)
    ends = np.flatnonzero(np.append(np.diff(new.week) != 0, True))
    return wealth[ends]


def performance(
    ripe: RipeRows, scored_now: Floats, model: FittedModel, settings: MonitorSettings, gap: int
) -> Performance:
    """All that can be said of the champion's performance."""
    is_regression = model.problem.task == REGRESSION
    evaluated = evaluated_brier(model)
    limit = None if evaluated is None else min(evaluated * (1 + settings.decay_that_matters), 0.99)
    new = ripe.taken(ripe.is_new) if len(ripe.week) else ripe
    wealth = at_least = None
    if limit and len(new.week):
        course = wealth_by_cutoff(ripe, limit, gap)
        wealth = float(min(np.exp(course.max(initial=0.0)), FINITE_MAX))
        apart = new.taken((new.week - new.week.min()) % gap == 0)
        at_least = risk_at_least((apart.prediction - apart.label) ** 2, ALPHA)
    estimated = []
    if isinstance(model, ChurnModel):
        estimated = estimated_performance(scored_now, prior_of(model))
    nothing = "no prediction made after the champion's evaluation is ripe yet"
    return Performance(
        ripe_rows=len(new.week),
        ripe_customers=len(np.unique(new.customer)),
        evaluated=evaluated,
        limit=limit,
        realised=figures_of(new.prediction, new.label, is_regression) if len(new.week) else {},
        interval=interval_by_customer(new, is_regression, model.problem.seed) if len(new.week) else None,
        wealth=wealth,
        wealth_pages=1 / ALPHA,
        at_least=at_least,
        estimated=estimated,
        note="" if len(new.week) else nothing,
    )


def interval_by_customer(ripe: RipeRows, is_regression: bool, seed: int) -> tuple[float, float]:
    """The 95 % interval of the Brier score or RMSE by a bootstrap of customers."""
    losses = (ripe.prediction - ripe.label) ** 2
    means = [
        (weights[0] @ losses) / weights[0].sum(axis=1)
        for weights in customer_weights([ripe.customer], [ripe.label], seed)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return (float(np.sqrt(low)), float(np.sqrt(high))) if is_regression else (float(low), float(high))


def evaluated_brier(model: FittedModel) -> float | None:
    """The Brier score of the champion on its test part; None for amounts."""
    if model.problem.task == REGRESSION:
        return None
    figures = model.facts.get("test", {}).get("candidates", {}).get(model.kind, {})
    value = figures.get("brier", {}).get("value")
    return None if value is None else float(value)


def prior_of(model: FittedModel) -> float:
    """The churn rate of the rows that calibrated the model."""
    parts = model.facts.get("parts", {})
    return float(parts.get("calibration", {}).get("base_rate", 0.0))


def bands(
    ripe: RipeRows, scored: ScoredRows, counts: Floats, span: int, model: FittedModel
) -> list[BandFigures]:
    """Customers of each risk band now and before, and what its ripe predictions came to."""
    if not isinstance(model, ChurnModel):
        return []
    week, last = scored.rows[WEEK].to_numpy(), len(counts) - 1
    of_row, of_ripe = model.band(scored.prediction), model.band(ripe.prediction)
    before = (week < last) & (week >= last - span)
    earlier = counts[max(0, last - span) : last]
    usual = float(earlier.mean()) if len(earlier) else 0.0

    def customers(band: str, rows: Flags, population: float) -> float:
        return float((of_row[rows] == band).mean()) * population if rows.any() else 0.0

    found = []
    for band in RISK_BANDS:
        taken = (of_ripe == band) & ripe.is_new if len(ripe.week) else np.empty(0, dtype=bool)
        rows = int(taken.sum())
        found.append(
            BandFigures(
                band=band,
                customers=customers(band, week == last, float(counts[last])),
                customers_before=customers(band, before, usual),
                ripe_rows=rows,
                predicted=float(ripe.prediction[taken].mean()) if rows else None,
                realised=float(ripe.label[taken].mean()) if rows else None,
            )
        )
    return found
