"""The standard error of a single feature's ROC-AUC by customer.

The contributions of rows to the ROC-AUC are summed by customer; the spread of these sums is, to the first
order, that of a bootstrap by customer, at the cost of one sorting (Obuchowski, 1997).
"""

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Flags, Floats

NORMAL_95 = 1.959964


def standard_error(values: Floats, churned: Flags, customers: NDArray[np.intp]) -> float:
    """The standard error of the ROC-AUC of ``values`` without nulls; both classes must be present.

    Parameters
    ----------
    values : array of shape (rows,)
    churned : array of shape (rows,)
    customers : array of shape (rows,)
        A whole number for each customer.
    """
    _, codes = np.unique(values, return_inverse=True)
    churners, stayers = (np.bincount(codes[mask], minlength=codes.max() + 1) for mask in (churned, ~churned))
    stayers_below = (np.cumsum(stayers) - stayers / 2) / stayers.sum()
    churners_above = (churners.sum() - np.cumsum(churners) + churners / 2) / churners.sum()
    auc = float(stayers_below[codes][churned].mean())
    contributions = np.where(
        churned,
        (stayers_below[codes] - auc) / churners.sum(),
        (churners_above[codes] - auc) / stayers.sum(),
    ).astype(np.float64)
    by_customer = np.bincount(np.unique(customers, return_inverse=True)[1], weights=contributions)
    number = len(by_customer)
    return float(np.sqrt((by_customer**2).sum() * number / max(number - 1, 1)))


def interval(auc: float, error: float) -> list[float]:
    """The 95 % interval, within 0 and 1."""
    return [max(0.0, auc - NORMAL_95 * error), min(1.0, auc + NORMAL_95 * error)]
