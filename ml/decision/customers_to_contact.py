"""The customers to contact: those the threshold flags, or by rank where the problem's rule has a capacity.

The threshold was chosen on earlier customers, so it flags a few more or fewer later ones than the capacity.
Customers are therefore counted by rank, equal probabilities by customer_id, so that equal scores always give
the same customers.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.config.problem import Problem

BY_CAPACITY = ("capacity", "profit")


def to_contact(
    probability: Floats, customers: Sequence[str], flagged: NDArray[np.bool_], problem: Problem
) -> NDArray[np.bool_]:
    """Whether each customer of the whole population is contacted, same shape.

    With the rule ``capacity`` as many as can be contacted, the highest probabilities first; with ``profit``
    the flagged ones among these; with any other rule all who are flagged.
    """
    rule = problem.threshold.rule
    if rule not in BY_CAPACITY or problem.contacts is None:
        return flagged
    ranked = np.lexsort((np.asarray(customers, dtype=object), -probability))
    within_capacity = np.zeros(len(ranked), dtype=bool)
    within_capacity[ranked[: math.floor(problem.contacts)]] = True
    return within_capacity if rule == "capacity" else within_capacity & flagged
