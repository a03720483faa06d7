"""How good predicted amounts are: each metric for many row weights at once, for a bootstrap in one pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from ml.common.array_types import Floats
from ml.config.problem import ValueMetric

LOWER_IS_BETTER = frozenset({"deviance", "rmse", "mae"})
POWER = 1.5  # of the Tweedie deviance: between counts (1) and amounts (2), as sums of a few purchases are
LOWEST_SHARE = 1e-3  # of the mean amount: a lower prediction counts as that in the deviance, which has logs
TOP_SHARE = 0.1


@dataclass(frozen=True)
class Weighted:
    """Amounts and predictions of the same rows, and the rows' weights in each replicate.

    Parameters
    ----------
    amount, prediction : arrays of shape (rows,)
    weight : array of shape (replicates, rows)
    """

    amount: Floats
    prediction: Floats
    weight: Floats

    def mean(self, values: Floats) -> Floats:
        """Weighted mean of ``values`` in each replicate."""
        return self.weight @ values / self.weight.sum(axis=1)


def measure_amounts(
    amount: Floats, prediction: Floats, weights: Floats | None, names: Sequence[str]
) -> dict[str, Floats]:
    """Each metric, once for each row of ``weights``.

    Parameters
    ----------
    amount, prediction : arrays of shape (rows,)
    weights : array of shape (replicates, rows), optional
        Ones by default.
    names : sequence of str
        The metrics to compute.

    Returns
    -------
    dict of arrays of shape (replicates,)
        Mean Tweedie deviance of power 1.5 (as in scikit-learn; Dunn and Smyth, 2005), root mean squared and
        mean absolute error, R2, the Gini index of the amounts in the order of the predictions over that in
        their own order (1 is the perfect order, 0 chance; Frees, Meyers and Cummings, 2014), and the mean
        amount of the top tenth by prediction over that of all.
    """
    weight = np.ones((1, len(amount))) if weights is None else weights
    rows = Weighted(amount, prediction, weight)
    return {name: MEASURES[name](rows) for name in names}


def deviance(rows: Weighted) -> Floats:
    """Mean Tweedie deviance; amounts below 0, such as returns, count as 0."""
    amount = np.maximum(rows.amount, 0.0)
    lowest = LOWEST_SHARE * max(float(amount.mean()), np.finfo(float).tiny)
    predicted = np.maximum(rows.prediction, lowest)
    below, above = 1 - POWER, 2 - POWER
    terms = amount**above / (below * above) - amount * predicted**below / below + predicted**above / above
    return rows.mean(2 * terms)


def r2(rows: Weighted) -> Floats:
    """Share of the variance that the predictions explain; below 0 where the mean is better."""
    mean = rows.mean(rows.amount)
    variance = rows.mean(rows.amount**2) - mean**2
    error = rows.mean((rows.amount - rows.prediction) ** 2)
    return 1 - np.divide(error, variance, out=np.full_like(error, np.inf), where=variance > 0)


def gini(rows: Weighted) -> Floats:
    """Gini index in the order of the predictions over that in the order of the amounts."""
    perfect = concentration(rows, rows.amount)
    return np.divide(
        concentration(rows, rows.prediction), perfect, out=np.zeros_like(perfect), where=perfect > 0
    )


def concentration(rows: Weighted, score: Floats) -> Floats:
    """Twice the area between the diagonal and the share of the amount, from the highest score to the lowest.

    Rows with one score share their amount evenly, so that their order does not matter.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    weight = rows.weight[:, order]
    share = cumulative(weight * rows.amount[order], ends)
    people = cumulative(weight, ends)
    widths = np.diff(people, axis=1, prepend=0.0)
    heights = share - np.diff(share, axis=1, prepend=0.0) / 2
    return 2 * (widths * heights).sum(axis=1) - 1


def cumulative(values: Floats, ends: np.ndarray) -> Floats:
    """Cumulative shares of the total of each row, at the columns ``ends``."""
    totals = np.cumsum(values, axis=1)
    return totals[:, ends] / totals[:, -1:]


def top_tenth_lift(rows: Weighted) -> Floats:
    """Mean amount of the top tenth by prediction over that of all; a tie at the edge counts in part."""
    order = np.argsort(-rows.prediction, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(rows.prediction[order]) != 0, True))
    weight = rows.weight[:, order]
    share, people = cumulative(weight * rows.amount[order], ends), cumulative(weight, ends)
    top = [np.interp(TOP_SHARE, [0.0, *x], [0.0, *y]) / TOP_SHARE for x, y in zip(people, share, strict=True)]
    return np.array(top)


MEASURES: dict[str, Callable[[Weighted], Floats]] = {
    "deviance": deviance,
    "rmse": lambda rows: np.sqrt(rows.mean((rows.amount - rows.prediction) ** 2)),
    "mae": lambda rows: rows.mean(np.abs(rows.amount - rows.prediction)),
    "r2": r2,
    "gini": gini,
    "top_tenth_lift": top_tenth_lift,
}
METRIC_NAMES = get_args(ValueMetric)
