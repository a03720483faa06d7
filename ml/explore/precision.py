"""How sure a single feature's ROC-AUC is, when customers and not rows are drawn.

What each customer's rows add to the area is summed by customer; the spread of these sums is that of a
bootstrap by customer, to the first order, at the price of one sorting (Obuchowski, 1997).
"""

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Flags, Floats

NORMAL_95 = 1.959964


def standard_error(values: Floats, churned: Flags, customers: NDArray[np.intp]) -> float:
    """Of the ROC-AUC of ``values``, without nulls; both classes must be there.

    Parameters
    ----------
    values : array of shape (rows,)
    churned : array of shape (rows,)
    customers : array of shape (rows,)
        A whole number for each customer.
    """
    _, codes = np.unique(values, return_inverse=True)
    gone, stayed = (np.bincount(codes[which], minlength=codes.max() + 1) for which in (churned, ~churned))
    beaten = (np.cumsum(stayed) - stayed / 2) / stayed.sum()
    beating = (gone.sum() - np.cumsum(gone) + gone / 2) / gone.sum()
    area = float(beaten[codes][churned].mean())
    added = np.where(
        churned, (beaten[codes] - area) / gone.sum(), (beating[codes] - area) / stayed.sum()
    ).astype(np.float64)
    by_customer = np.bincount(np.unique(customers, return_inverse=True)[1], weights=added)
    number = len(by_customer)
    return float(np.sqrt((by_customer**2).sum() * number / max(number - 1, 1)))


def interval(area: float, error: float) -> list[float]:
    """The middle 95 %, within 0 and 1."""
    return [max(0.0, area - NORMAL_95 * error), min(1.0, area + NORMAL_95 * error)]
