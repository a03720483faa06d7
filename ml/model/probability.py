"""Probabilities of churn: log-odds, log-loss, and the two columns of scikit-learn."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit
from sklearn.utils.validation import check_array

from ml.common.array_types import Floats

SURE = 1e-6  # probabilities are clipped here, so that log-odds and log-losses stay finite


def log_odds(probability: Floats) -> Floats:
    """Log-odds, never infinite."""
    return logit(np.clip(check_array(probability, ensure_2d=False, dtype=np.float64), SURE, 1 - SURE))


def log_losses(churned: ArrayLike, probability: Floats, least: float = SURE) -> Floats:
    """The log-loss of each row, with probabilities clipped to ``least`` and ``1 - least``."""
    probability = np.clip(probability, least, 1 - least)
    return -np.where(np.asarray(churned) == 1, np.log(probability), np.log1p(-probability))


def both_sides(churn: Floats) -> Floats:
    """Probabilities of staying and of churning, side by side."""
    return np.column_stack([1 - churn, churn])
