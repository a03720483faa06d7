"""How good probabilities are: each metric for many row weights at once, so that a bootstrap is one pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.config.problem import Costs
from ml.decision.lists import Lists
from ml.decision.maximum_profit import empc_of
from ml.decision.profit import profit_by_costs
from ml.model.probability import log_losses

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece"})
ECE_BINS = 15
CLIP = 1e-15  # so that a sure model that is wrong loses much, but not infinitely much


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest probability to the lowest; ``ends`` are the last rows of each tie."""

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
class Given:
    """What a metric looks at: rows from the highest probability on, their weights, the lists they close."""

    ranking: Ranking
    weight: Floats
    lists: Lists
    costs: Costs


MEASURES: dict[str, Callable[[Given], Floats]] = {
    "roc_auc": lambda given: roc_auc(given.lists.hits, given.lists.listed),
    "average_precision": lambda given: average_precision(given.lists.hits, given.lists.listed),
    "log_loss": lambda given: average(
        log_losses(given.ranking.churned, given.ranking.probability, CLIP), given.weight
    ),
    "brier": lambda given: average((given.ranking.probability - given.ranking.churned) ** 2, given.weight),
    "ece": lambda given: calibration_error(given.lists),
    "lift_at_10": lambda given: lift(given.lists.hits, given.lists.listed, 0.1),
    "precision_at_80_recall": lambda given: precision_at_recall(given.lists.hits, given.lists.listed, 0.8),
    "empc": lambda given: empc_of(given.lists),
    "profit_per_customer": lambda given: profit_by_costs(given.lists, given.costs),
}
METRIC_NAMES = tuple(MEASURES)


def measure(
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
        Of the profit; the default costs without.
    names : sequence of str
        The metrics that are wanted.

    Returns
    -------
    dict of arrays of shape (replicates,)
        ROC-AUC, average precision (step-wise, as in scikit-learn), log-loss, Brier score, expected
        calibration error (15 bins of equal weight), lift among the top tenth (ties shared), precision of the
        shortest list that holds 80 % of the churners, EMPC with the published parameters, and the profit per
        customer when everyone is contacted from the probability on at which the costs break even.
    """
    ranking = Ranking.of(churned, probability)
    weight = np.ones((1, len(churned))) if weights is None else weights
    weight = weight[:, ranking.order]
    hits = np.cumsum(weight * ranking.churned, axis=1)[:, ranking.ends]
    listed = np.cumsum(weight, axis=1)[:, ranking.ends]
    lists = Lists(ranking.probability[ranking.ends], hits, listed)
    given = Given(ranking, weight, lists, costs or Costs())
    return {name: MEASURES[name](given) for name in names}


def roc_auc(hits: Floats, listed: Floats) -> Floats:
    """Area under the ROC curve from running totals at each tie's end."""
    misses = listed - hits
    trapezes = steps(misses) * (hits - steps(hits) / 2)
    return trapezes.sum(axis=1) / (hits[:, -1] * misses[:, -1])


def average_precision(hits: Floats, listed: Floats) -> Floats:
    """Precision at each tie's end, weighted by the recall won there."""
    precision = np.divide(hits, listed, out=np.zeros_like(hits), where=listed > 0)
    return (steps(hits) * precision).sum(axis=1) / hits[:, -1]


def lift(hits: Floats, listed: Floats, share: float) -> Floats:
    """Churn rate among the top ``share`` of rows over that of all; a tie at the edge counts in part."""
    wanted = share * listed[:, -1]
    rows, edge = np.arange(len(hits)), (listed >= wanted[:, None]).argmax(axis=1)
    before = np.maximum(edge - 1, 0)
    hits_before = np.where(edge > 0, hits[rows, before], 0.0)
    listed_before = np.where(edge > 0, listed[rows, before], 0.0)
    part = (wanted - listed_before) / (listed[rows, edge] - listed_before)
    reached = hits_before + part * (hits[rows, edge] - hits_before)
    return (reached / wanted) / (hits[:, -1] / listed[:, -1])


def precision_at_recall(hits: Floats, listed: Floats, recall: float) -> Floats:
    """Precision of the shortest list whose recall is at least ``recall``."""
    enough = hits >= recall * hits[:, -1:] - 1e-9
    first = enough.argmax(axis=1)
    rows = np.arange(len(hits))
    return hits[rows, first] / listed[rows, first]


def calibration_error(lists: Lists, bins: int = ECE_BINS) -> Floats:
    """Mean distance of predicted and seen churn rate over bins of about equal weight; a tie is in one bin."""
    weight = steps(lists.listed)
    gap = weight * lists.levels - steps(lists.hits)
    all_weight = lists.listed[:, -1:]
    middle = (lists.listed - weight / 2) / all_weight
    place = np.minimum((middle * bins).astype(np.intp), bins - 1) + bins * np.arange(len(weight))[:, None]
    gaps = np.bincount(place.ravel(), weights=gap.ravel(), minlength=bins * len(weight))
    return np.abs(gaps.reshape(-1, bins)).sum(axis=1) / all_weight[:, 0]


def average(values: Floats, weight: Floats) -> Floats:
    """Weighted mean of ``values`` for each row of ``weight``."""
    return (weight * values).sum(axis=1) / weight.sum(axis=1)


def steps(totals: Floats) -> Floats:
    """What each column adds to the running total."""
    return np.diff(totals, axis=1, prepend=0.0)
