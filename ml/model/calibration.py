"""From a raw score to a probability one can act on, by rows that neither fitted nor chose the model.

Platt's line has two numbers to learn and holds with few rows; isotonic regression follows any rising curve
but needs many. Both rise strictly, so that they keep the order of customers and add no ties.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from ml.common.arrays import Floats
from ml.common.errors import ModelError
from ml.config.problem import Bands
from ml.model.probability import log_losses, log_odds

BAND_NAMES = np.array(["low", "medium", "high"], dtype=object)
HARDLY_ANY_PENALTY = 1e6
GROUP, GROUPS = 100, 50
ROWS_ENOUGH, CHURNERS_ENOUGH = 1000, 100
FOLDS = 5


@dataclass(frozen=True)
class Calibration:
    """Log-odds of churn as a rising curve of the raw log-odds.

    Parameters
    ----------
    intercept, slope : float
        A straight line (Platt, 1999). A slope of 0 is a model whose score says nothing on the calibration
        rows: everyone gets the churn rate.
    kind : str
        platt or isotonic.
    raw, calibrated : tuple of float
        Log-odds at the knots of an isotonic curve, both rising; straight between them, and on with ``slope``
        beyond the first and the last.
    """

    intercept: float
    slope: float
    kind: str = "platt"
    raw: tuple[float, ...] = ()
    calibrated: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("raw", "calibrated"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def apply(self, raw: Floats) -> Floats:
        """Calibrated probabilities, same shape."""
        scores = log_odds(raw)
        if self.kind == "platt":
            return expit(self.intercept + self.slope * scores)
        return expit(along(scores, np.array(self.raw), np.array(self.calibrated), self.slope))


def along(scores: Floats, x: Floats, y: Floats, slope: float) -> Floats:
    """The curve through the knots at each score, element by element."""
    between = np.diff(y) / np.diff(x)
    slopes = np.concatenate([[slope], between, [slope]])
    place = np.searchsorted(x, scores, side="right")
    start = np.maximum(place - 1, 0)
    return y[start] + slopes[place] * (scores - x[start])


def calibrate(
    churned: Floats, raw: Floats, how: str = "auto", customers: NDArray[Any] | None = None
) -> Calibration:
    """Fit the curve on held-out rows.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1.
    raw : array of shape (rows,)
        The model's own probabilities.
    how : str
        platt, isotonic, or auto: isotonic where there are 1000 rows and 100 churners at least, and its
        log-loss on customers left out of the fit is lower by more than one standard error of the difference.
    customers : array of shape (rows,), optional
        Whose row it is: a customer's rows are left out together. Without, each row is a customer.

    Raises
    ------
    ModelError
        Only one class is there.
    """
    if churned.min() == churned.max():
        raise ModelError("the calibration rows hold only one class: load more customers or a longer history")
    scores = log_odds(raw)
    if how == "auto":
        who = np.arange(len(churned)) if customers is None else customers
        how = "isotonic" if isotonic_is_better(churned, raw, who) else "platt"
    return isotonic(churned, scores) if how == "isotonic" else platt(churned, scores)


def platt(churned: Floats, scores: Floats) -> Calibration:
    """The line of least log-loss; level when it would fall."""
    level = Calibration(float(logit(churned.mean())), 0.0)
    if np.ptp(scores) == 0:
        return level
    line = LogisticRegression(C=HARDLY_ANY_PENALTY, max_iter=1000).fit(scores[:, None], churned)
    intercept, slope = float(line.intercept_[0]), float(line.coef_[0, 0])
    return Calibration(intercept, slope) if slope > 0 else level


def isotonic(churned: Floats, scores: Floats) -> Calibration:
    """The rising curve of least squares through groups of rows (Zadrozny and Elkan, 2002).

    Each pool of groups is one knot at its mean score, straight lines join them (Oron and Flournoy, 2017). A
    group counts one customer more, who churned at the overall rate, so that no knot is ever sure.
    """
    line = platt(churned, scores)
    sums, hits, sizes = grouped(churned, scores)
    rates = (hits + churned.mean()) / (sizes + 1)
    pools = isotonic_regression(rates, weights=sizes)
    starts = pools.blocks[:-1]
    x = np.add.reduceat(sums, starts) / np.add.reduceat(sizes, starts)
    if line.slope == 0 or len(x) < 2:
        return line
    y = logit(pools.x[starts])
    return Calibration(line.intercept, line.slope, "isotonic", tuple(x.tolist()), tuple(y.tolist()))


def grouped(churned: Floats, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum of scores, churners and rows of groups of about equal size by score; equal scores stay together."""
    levels, codes = np.unique(scores, return_inverse=True)
    sizes = np.bincount(codes).astype(np.float64)
    hits = np.bincount(codes, weights=churned)
    number = int(np.clip(len(scores) // GROUP, 2, GROUPS))
    middle = (np.cumsum(sizes) - sizes / 2) / len(scores)
    starts = np.unique((middle * number).astype(int), return_index=True)[1]
    sums = np.add.reduceat(levels * sizes, starts)
    return sums, np.add.reduceat(hits, starts), np.add.reduceat(sizes, starts)


def isotonic_is_better(churned: Floats, raw: Floats, customers: NDArray[Any]) -> bool:
    """Whether the curve beats the line on customers left out of the fit by more than one standard error."""
    if len(churned) < ROWS_ENOUGH or churned.sum() < CHURNERS_ENOUGH:
        return False
    _, codes = np.unique(customers, return_inverse=True)
    better = np.zeros(len(churned))
    for fold in range(FOLDS):
        out = codes % FOLDS == fold
        if not out.any() or churned[~out].min() == churned[~out].max():
            return False
        scores = log_odds(raw[~out])
        losses = [
            log_losses(churned[out], fit(churned[~out], scores).apply(raw[out])) for fit in (platt, isotonic)
        ]
        better[out] = losses[0] - losses[1]
    by_customer = np.bincount(codes, weights=better)
    return bool(by_customer.sum() > by_customer.std(ddof=1) * np.sqrt(len(by_customer)))


def band_of(probability: Floats, bands: Bands) -> NDArray[Any]:
    """low, medium or high for each probability."""
    return BAND_NAMES[np.digitize(probability, [bands.medium, bands.high])]
