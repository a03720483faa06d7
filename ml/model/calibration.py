"""From a raw score to a calibrated probability, by rows that neither fitted nor chose the model.

A level moves all log-odds alike; Platt's line has two parameters and needs few rows; isotonic regression
follows any rising curve but needs many. All rise strictly, so that the order of customers stays and no ties
are added.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, isotonic_regression
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from ml.common.array_types import Floats
from ml.common.errors import ModelError
from ml.config.problem import RISK_BANDS, Bands
from ml.model.probability import log_losses, log_odds

BAND_NAMES = np.array(RISK_BANDS, dtype=object)
HARDLY_ANY_PENALTY = 1e6  # scikit-learn's C: maximum likelihood, but finite where classes are separable
GROUP, GROUPS = 100, 50  # rows of a group at least, and groups at most
ROWS_ENOUGH, CHURNERS_ENOUGH = 1000, 100  # for isotonic regression; with fewer Platt's line always
FOLDS = 5  # of customers, to compare the curve with the line


@dataclass(frozen=True)
class Calibration:
    """Log-odds of churn as a rising curve of the raw log-odds.

    Parameters
    ----------
    intercept, slope : float
        A straight line (Platt, 1999). With a slope of 0 every customer gets the churn rate: the score does
        not rank the calibration rows.
    kind : str
        none, level, platt or isotonic.
    raw, calibrated : tuple of float
        Log-odds at the knots of an isotonic curve, both rising; the curve is straight between them, and has
        ``slope`` beyond the first and the last.
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
        if self.kind != "isotonic":
            return expit(self.intercept + self.slope * scores)
        return expit(interpolate(scores, np.array(self.raw), np.array(self.calibrated), self.slope))


UNCHANGED = Calibration(0.0, 1.0, "none")


def interpolate(scores: Floats, x: Floats, y: Floats, slope: float) -> Floats:
    """The curve through the knots (x, y) at each score, with ``slope`` outside of them."""
    slopes = np.concatenate([[slope], np.diff(y) / np.diff(x), [slope]])
    segment = np.searchsorted(x, scores, side="right")
    start = np.maximum(segment - 1, 0)
    return y[start] + slopes[segment] * (scores - x[start])


def calibrate(
    churned: Floats, raw: Floats, method: str = "auto", customers: NDArray[Any] | None = None
) -> Calibration:
    """Fit the curve on held-out rows.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1.
    raw : array of shape (rows,)
        The model's own probabilities.
    method : str
        none, level, platt, isotonic, or auto: isotonic where there are 1000 rows and 100 churners at least,
        and its log-loss on customers left out of the fit is lower by more than one standard error of the
        difference; else platt.
    customers : array of shape (rows,), optional
        The customer of each row, whose rows are left out together. By default each row is a customer.

    Raises
    ------
    ModelError
        The rows have one class only.
    """
    if churned.min() == churned.max():
        raise ModelError("the calibration rows hold only one class: load more customers or a longer history")
    if method == "none":
        return UNCHANGED
    scores = log_odds(raw)
    if method == "auto":
        customers = np.arange(len(churned)) if customers is None else customers
        method = "isotonic" if isotonic_is_better(churned, raw, customers) else "platt"
    return {"level": level, "platt": platt, "isotonic": isotonic}[method](churned, scores)


def level(churned: Floats, scores: Floats) -> Calibration:
    """The shift of all log-odds after which the mean probability is the churn rate."""

    def excess(shift: float) -> float:
        return float(expit(scores + shift).mean() - churned.mean())

    # One further than where all scores are above the rate, or all below.
    furthest = float(np.abs(scores).max() + abs(logit(churned.mean()))) + 1.0
    return Calibration(brentq(excess, -furthest, furthest), 1.0, "level")


def platt(churned: Floats, scores: Floats) -> Calibration:
    """The line of least log-loss; constant where it would fall."""
    constant = Calibration(float(logit(churned.mean())), 0.0)
    if np.ptp(scores) == 0:
        return constant
    line = LogisticRegression(C=HARDLY_ANY_PENALTY, max_iter=1000).fit(scores[:, None], churned)
    intercept, slope = float(line.intercept_[0]), float(line.coef_[0, 0])
    return Calibration(intercept, slope) if slope > 0 else constant


def isotonic(churned: Floats, scores: Floats) -> Calibration:
    """The rising curve of least squares through groups of rows (Zadrozny and Elkan, 2002).

    Each pool of groups is one knot at its mean score; straight lines join the knots (Oron and Flournoy,
    2017). Each group counts one more customer, who churned at the overall rate, so that no knot is at 0 or 1.
    """
    line = platt(churned, scores)
    sums, hits, sizes = group_totals(churned, scores)
    rates = (hits + churned.mean()) / (sizes + 1)
    pools = isotonic_regression(rates, weights=sizes)
    starts = pools.blocks[:-1]
    x = np.add.reduceat(sums, starts) / np.add.reduceat(sizes, starts)
    if line.slope == 0 or len(x) < 2:
        return line
    y = logit(pools.x[starts])
    return Calibration(line.intercept, line.slope, "isotonic", tuple(x.tolist()), tuple(y.tolist()))


def group_totals(churned: Floats, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum of scores, churners and rows of groups of about equal size by score; a tie is in one group."""
    levels, codes = np.unique(scores, return_inverse=True)
    sizes = np.bincount(codes).astype(np.float64)
    hits = np.bincount(codes, weights=churned)
    number = int(np.clip(len(scores) // GROUP, 2, GROUPS))
    middle = (np.cumsum(sizes) - sizes / 2) / len(scores)
    starts = np.unique((middle * number).astype(int), return_index=True)[1]
    sums = np.add.reduceat(levels * sizes, starts)
    return sums, np.add.reduceat(hits, starts), np.add.reduceat(sizes, starts)


def isotonic_is_better(churned: Floats, raw: Floats, customers: NDArray[Any]) -> bool:
    """Whether the curve is better on customers left out of the fit by more than one standard error."""
    if len(churned) < ROWS_ENOUGH or churned.sum() < CHURNERS_ENOUGH:
        return False
    _, codes = np.unique(customers, return_inverse=True)
    better = np.zeros(len(churned))
    for fold in range(FOLDS):
        held_out = codes % FOLDS == fold
        if not held_out.any() or churned[~held_out].min() == churned[~held_out].max():
            return False
        scores = log_odds(raw[~held_out])
        of_line, of_curve = (
            log_losses(churned[held_out], fit(churned[~held_out], scores).apply(raw[held_out]))
            for fit in (platt, isotonic)
        )
        better[held_out] = of_line - of_curve
    by_customer = np.bincount(codes, weights=better)
    return bool(by_customer.sum() > by_customer.std(ddof=1) * np.sqrt(len(by_customer)))


def band_of(probability: Floats, bands: Bands) -> NDArray[Any]:
    """low, medium or high for each probability."""
    return BAND_NAMES[np.digitize(probability, [bands.medium, bands.high])]
