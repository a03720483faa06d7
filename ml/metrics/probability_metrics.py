"""How good probabilities are: each metric for many row weights at once, so that a bootstrap is one pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.config.problem import Costs
from ml.decision.contact_profit import profit_by_costs
from ml.decision.expected_maximum_profit import empc
from ml.decision.threshold_totals import ThresholdTotals
from ml.model.probability import log_losses

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece"})
ECE_BINS = 15  # the usual number in the literature on calibration
CLIP = 1e-15  # so that a sure model that is wrong loses much, but not infinitely much


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest probability to the lowest; ``ends`` has the last row of each tie."""

    churned: Floats
    probability: Floats
    order: NDArray[np.intp]
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, churned: Floats, probability: Floats) -> "Ranking":
        order = np.argsort(-probability, kind="stable")
        sorted_probability = probability[order]
        ends = np.flatnonzero(np.append(np.diff(sorted_probability) != 0, True))
        return cls(churned[order].astype(float), sorted_probability, order, ends)


@dataclass(frozen=True)
class Weighted:
    """The input of a metric: ranked rows, their weights in each replicate, totals by threshold, costs."""

    ranking: Ranking
    weight: Floats
    totals: ThresholdTotals
    costs: Costs


MEASURES: dict[str, Callable[[Weighted], Floats]] = {
    "roc_auc": lambda rows: roc_auc(rows.totals.hits, rows.totals.flagged),
    "average_precision": lambda rows: average_precision(rows.totals.hits, rows.totals.flagged),
    "log_loss": lambda rows: average(
        log_losses(rows.ranking.churned, rows.ranking.probability, CLIP), rows.weight
    ),
    "brier": lambda rows: average((rows.ranking.probability - rows.ranking.churned) ** 2, rows.weight),
    "ece": lambda rows: calibration_error(rows.totals),
    "lift_at_10": lambda rows: lift(rows.totals.hits, rows.totals.flagged, 0.1),
    "precision_at_80_recall": lambda rows: precision_at_recall(rows.totals.hits, rows.totals.flagged, 0.8),
    "empc": lambda rows: empc(rows.totals),
    "profit_per_customer": lambda rows: profit_by_costs(rows.totals, rows.costs),
}
METRIC_NAMES = tuple(MEASURES)


def measure_probabilities(
    churned: Floats,
    probability: Floats,
    weights: Floats | None = None,
    *,
    costs: Costs | None = None,
    names: Sequence[str] = METRIC_NAMES,
) -> dict[str, Floats]:
    """Each metric, once for each row of ``weights``.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1.
    probability : array of shape (rows,)
    weights : array of shape (replicates, rows), optional
        Ones by default. In each replicate both classes must have weight.
    costs : Costs, optional
        Of the profit; by default ``Costs()``.
    names : sequence of str
        The metrics to compute.

    Returns
    -------
    dict of arrays of shape (replicates,)
        ROC-AUC, average precision (step-wise, as in scikit-learn), log-loss, Brier score, expected
        calibration error (15 bins of equal weight), lift among the top tenth (ties shared), precision at the
        highest threshold with a recall of 80 %, EMPC with the published parameters, and the profit per
        customer when all are contacted from the break-even probability on.
    """
    ranking = Ranking.of(churned, probability)
    weight = np.ones((1, len(churned))) if weights is None else weights
    weight = weight[:, ranking.order]
    hits = np.cumsum(weight * ranking.churned, axis=1)[:, ranking.ends]
    flagged = np.cumsum(weight, axis=1)[:, ranking.ends]
    totals = ThresholdTotals(ranking.probability[ranking.ends], hits, flagged)
    weighted = Weighted(ranking, weight, totals, costs or Costs())
    return {name: MEASURES[name](weighted) for name in names}


def roc_auc(hits: Floats, flagged: Floats) -> Floats:
    """Area under the ROC curve, which joins the ends of ties by straight lines."""
    misses = flagged - hits
    trapezoids = steps(misses) * (hits - steps(hits) / 2)
    return trapezoids.sum(axis=1) / (hits[:, -1] * misses[:, -1])


def average_precision(hits: Floats, flagged: Floats) -> Floats:
    """Precision at each threshold, weighted by the recall it adds."""
    precision = np.divide(hits, flagged, out=np.zeros_like(hits), where=flagged > 0)
    return (steps(hits) * precision).sum(axis=1) / hits[:, -1]


def lift(hits: Floats, flagged: Floats, share: float) -> Floats:
    """Churn rate among the top ``share`` of rows over that of all; a tie at the edge counts in part."""
    top = share * flagged[:, -1]
    rows, edge = np.arange(len(hits)), (flagged >= top[:, None]).argmax(axis=1)
    before = np.maximum(edge - 1, 0)
    hits_before = np.where(edge > 0, hits[rows, before], 0.0)
    flagged_before = np.where(edge > 0, flagged[rows, before], 0.0)
    share_of_tie = (top - flagged_before) / (flagged[rows, edge] - flagged_before)
    hits_in_top = hits_before + share_of_tie * (hits[rows, edge] - hits_before)
    return (hits_in_top / top) / (hits[:, -1] / flagged[:, -1])


def precision_at_recall(hits: Floats, flagged: Floats, recall: float) -> Floats:
    """Precision at the highest threshold whose recall is at least ``recall``."""
    enough = hits >= recall * hits[:, -1:] - 1e-9  # rounding errors do not decide at the edge
    first = enough.argmax(axis=1)
    rows = np.arange(len(hits))
    return hits[rows, first] / flagged[rows, first]


def calibration_error(totals: ThresholdTotals, bins: int = ECE_BINS) -> Floats:
    """Mean distance of predicted and observed churn rate over bins of about equal weight; a tie is in one."""
    weight = steps(totals.flagged)
    gap = weight * totals.thresholds - steps(totals.hits)
    all_weight = totals.flagged[:, -1:]
    middle = (totals.flagged - weight / 2) / all_weight
    index = np.minimum((middle * bins).astype(np.intp), bins - 1) + bins * np.arange(len(weight))[:, None]
    gaps = np.bincount(index.ravel(), weights=gap.ravel(), minlength=bins * len(weight))
    return np.abs(gaps.reshape(-1, bins)).sum(axis=1) / all_weight[:, 0]


def average(values: Floats, weight: Floats) -> Floats:
    """Weighted mean of ``values`` for each row of ``weight``."""
    return (weight * values).sum(axis=1) / weight.sum(axis=1)


def steps(totals: Floats) -> Floats:
    """The difference of each column to the one before."""
    return np.diff(totals, axis=1, prepend=0.0)
