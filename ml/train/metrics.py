"""How good probabilities are: each metric for many row weights at once, so that a bootstrap is one pass.

Labels and probabilities come in, numbers with intervals go out. A bootstrap replicate draws customers,
not rows: a customer's rows at neighbouring cut-offs are nearly the same row and would make every interval too
narrow.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

METRIC_NAMES = ("roc_auc", "average_precision", "log_loss", "brier", "lift_at_10", "precision_at_80_recall")
LOWER_IS_BETTER = frozenset({"log_loss", "brier"})
REPLICATES = 200
CELLS_AT_ONCE = 4_000_000
CLIP = 1e-15

Floats = NDArray[np.float64]


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


def measure(churned: Floats, probability: Floats, weights: Floats | None = None) -> dict[str, Floats]:
    """Every metric, once for each row of ``weights``.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1.
    probability : array of shape (rows,)
    weights : array of shape (replicates, rows), optional
        Ones by default. In each replicate both classes must have weight.

    Returns
    -------
    dict of arrays of shape (replicates,)
        ROC-AUC, average precision (step-wise, as in scikit-learn), log-loss, Brier score, lift among the top
        tenth (ties shared), and precision of the shortest list that holds 80 % of the churners.
    """
    ranking = Ranking.of(churned, probability)
    weight = np.ones((1, len(churned))) if weights is None else weights
    sorted_weight = weight[:, ranking.order]
    hits = np.cumsum(sorted_weight * ranking.churned, axis=1)[:, ranking.ends]
    listed = np.cumsum(sorted_weight, axis=1)[:, ranking.ends]
    return {
        "roc_auc": roc_auc(hits, listed),
        "average_precision": average_precision(hits, listed),
        "log_loss": average(log_losses(ranking), sorted_weight),
        "brier": average((ranking.probability - ranking.churned) ** 2, sorted_weight),
        "lift_at_10": lift(hits, listed, 0.1),
        "precision_at_80_recall": precision_at_recall(hits, listed, 0.8),
    }


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
    reached = np.array(
        [np.interp(want, [0.0, *x], [0.0, *y]) for want, x, y in zip(wanted, listed, hits, strict=True)]
    )
    return (reached / wanted) / (hits[:, -1] / listed[:, -1])


def precision_at_recall(hits: Floats, listed: Floats, recall: float) -> Floats:
    """Precision of the shortest list whose recall is at least ``recall``."""
    enough = hits >= recall * hits[:, -1:] - 1e-9
    first = enough.argmax(axis=1)
    rows = np.arange(len(hits))
    return hits[rows, first] / listed[rows, first]


def log_losses(ranking: Ranking) -> Floats:
    """Each row's log-loss."""
    probability = np.clip(ranking.probability, CLIP, 1 - CLIP)
    return -np.where(ranking.churned == 1, np.log(probability), np.log1p(-probability))


def average(values: Floats, weight: Floats) -> Floats:
    """Weighted mean of ``values`` for each row of ``weight``."""
    return (weight * values).sum(axis=1) / weight.sum(axis=1)


def steps(totals: Floats) -> Floats:
    """What each column adds to the running total."""
    return np.diff(totals, axis=1, prepend=0.0)


def customer_weights(
    customers: NDArray[Any], churned: Floats, seed: int, replicates: int = REPLICATES
) -> Iterator[Floats]:
    """Row weights of a bootstrap by customer, in slices of a bounded number of cells.

    A replicate in which one class has no weight cannot be measured and is drawn again as all ones.
    """
    _, codes = np.unique(customers, return_inverse=True)
    number = int(codes.max()) + 1
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS_AT_ONCE // len(codes))
    for start in range(0, replicates, at_once):
        rows = min(at_once, replicates - start)
        drawn = [np.bincount(generator.integers(number, size=number), minlength=number) for _ in range(rows)]
        weights = np.stack(drawn)[:, codes].astype(float)
        hits = weights @ churned
        weights[(hits == 0) | (hits == weights.sum(axis=1))] = 1.0
        yield weights


def bootstrap(
    churned: Floats, probabilities: Mapping[str, Floats], customers: NDArray[Any], seed: int
) -> dict[str, dict[str, Floats]]:
    """Every metric of every candidate in the same replicates, so that differences are paired.

    Returns
    -------
    dict
        Candidate name to metric name to array of shape (replicates,).
    """
    slices: dict[str, list[dict[str, Floats]]] = {name: [] for name in probabilities}
    for weights in customer_weights(customers, churned, seed):
        for name, probability in probabilities.items():
            slices[name].append(measure(churned, probability, weights))
    return {
        name: {metric: np.concatenate([part[metric] for part in parts]) for metric in METRIC_NAMES}
        for name, parts in slices.items()
    }


def with_interval(value: float, replicates: Floats) -> dict[str, float]:
    """A value with the middle 95 % of its bootstrap replicates."""
    low, high = np.quantile(replicates, (0.025, 0.975))
    return {"value": float(value), "low": float(low), "high": float(high)}
