"""From a raw score to a probability one can act on: Platt's curve, the threshold, the risk bands.

All three come from rows that neither fitted nor chose the model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from ml.errors import ModelError
from ml.model.estimators import Floats, log_odds
from ml.problem import Bands, Threshold

BAND_NAMES = np.array(["low", "medium", "high"], dtype=object)
HARDLY_ANY_PENALTY = 1e6


@dataclass(frozen=True)
class Calibration:
    """Log-odds of churn as a straight line of the raw log-odds (Platt, 1999); it never changes an order.

    A slope of 0 is a model whose score says nothing on the calibration rows: everyone gets the churn rate.
    """

    intercept: float
    slope: float

    def apply(self, raw: Floats) -> Floats:
        """Calibrated probabilities, same shape."""
        return expit(self.intercept + self.slope * log_odds(raw))


def calibrate(churned: Floats, raw: Floats) -> Calibration:
    """Fit the line on held-out rows.

    Raises
    ------
    ModelError
        Only one class is there.
    """
    rate = float(churned.mean())
    if rate in (0.0, 1.0):
        raise ModelError("the calibration rows hold only one class: load more customers or a longer history")
    scores = log_odds(raw)
    if np.ptp(scores) == 0:
        return Calibration(float(logit(rate)), 0.0)
    line = LogisticRegression(C=HARDLY_ANY_PENALTY, max_iter=1000).fit(scores[:, None], churned)
    slope = float(line.coef_[0, 0])
    return (
        Calibration(float(line.intercept_[0]), slope) if slope > 0 else Calibration(float(logit(rate)), 0.0)
    )


def choose_threshold(churned: Floats, probability: Floats, rule: Threshold) -> tuple[float, bool]:
    """The probability from which a customer counts as churning, and whether the rule could be met.

    ``recall_at_least`` takes the highest that still finds enough churners; ``precision_at_least`` the lowest
    that is right often enough, or the one that is right most often when none is; ``fixed`` its own value.
    """
    value = float(rule.value or 0)
    if rule.rule == "fixed":
        return value, True
    levels, recall, precision = curves(churned, probability)
    if rule.rule == "recall_at_least":
        return float(levels[np.argmax(recall >= value - 1e-12)]), True
    good = np.flatnonzero(precision >= value - 1e-12)
    return float(levels[good[-1] if len(good) else np.argmax(precision)]), bool(len(good))


def curves(churned: Floats, probability: Floats) -> tuple[Floats, Floats, Floats]:
    """Each distinct probability from the highest on, with recall and precision of the list it closes."""
    levels, codes = np.unique(-probability, return_inverse=True)
    hits = np.cumsum(np.bincount(codes, weights=churned))
    listed = np.cumsum(np.bincount(codes))
    return -levels, hits / hits[-1], hits / listed


def band_of(probability: Floats, bands: Bands) -> NDArray[Any]:
    """low, medium or high for each probability."""
    return BAND_NAMES[np.digitize(probability, [bands.medium, bands.high])]
