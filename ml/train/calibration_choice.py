"""Which calibration a candidate gets: none, a level or a curve, by what would have helped in earlier periods.

Rows of one short season also show the level of that season: where churn swings over the year, a calibration
by the last weeks makes the next ones worse. So each kind is fitted on one period and judged on the next, and
taken only where it is better than none by more than one standard error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.model.calibration import Calibration, calibrate
from ml.model.probability import log_losses

AUTO, NONE = "auto", "none"
KINDS = (NONE, "level", AUTO)  # auto of one period: a line, or a curve where that is better


@dataclass(frozen=True)
class Period:
    """Rows of a few cut-offs, and what a model said that had learned from earlier rows only.

    Parameters
    ----------
    labels, raw : arrays of shape (rows,)
        0 or 1, and the raw probability.
    customers : array of shape (rows,)
    """

    labels: Floats
    raw: Floats
    customers: NDArray[np.object_]

    def append(self, other: "Period") -> "Period":
        names = ("labels", "raw", "customers")
        return Period(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


def calibrate_over(periods: Sequence[Period], recent: Period, method: str) -> Calibration:
    """The calibration by the ``recent`` rows, of the kind that would have been best over the ``periods``.

    Parameters
    ----------
    periods : sequence of Period
        Ascending in time; with fewer than two nothing can be judged, and ``recent`` alone decides.
    recent : Period
    method : str
        Of the problem: auto, or one kind.

    Raises
    ------
    ModelError
        The recent rows have one class only.
    """
    if method == AUTO and len(periods) > 1:
        method = best_kind(periods)
    return calibrate(recent.labels, recent.raw, method, recent.customers)


def best_kind(periods: Sequence[Period]) -> str:
    """The kind with the least log-loss of each period by the period before, averaged over periods.

    It is ``none`` unless the best is better by one standard error, clustered by customer.
    """
    pairs = list(pairwise(periods))
    weights = np.concatenate([np.full(len(later.raw), 1 / len(later.raw) / len(pairs)) for _, later in pairs])
    losses = {kind: np.concatenate([loss_of(kind, *pair) for pair in pairs]) * weights for kind in KINDS}
    best = min(KINDS, key=lambda kind: losses[kind].sum())
    _, customer = np.unique(np.concatenate([later.customers for _, later in pairs]), return_inverse=True)
    gain = np.bincount(customer, weights=losses[NONE] - losses[best])
    return best if gain.sum() > gain.std(ddof=1) * np.sqrt(len(gain)) else NONE


def loss_of(kind: str, earlier: Period, later: Period) -> Floats:
    """The log-loss of each later row, calibrated by the earlier ones."""
    calibration = calibrate(earlier.labels, earlier.raw, kind, earlier.customers)
    return log_losses(later.labels, calibration.apply(later.raw))
