"""Whom to contact: as the decision says, and where the problem's rule counts contacts, exactly so many.

The threshold was set on earlier customers, so a later list that it closes is a little longer or shorter than
the capacity. A list of everyone is therefore cut by rank: equal probabilities by customer, so that the same
scores always give the same list.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.config.problem import Problem

BY_CAPACITY = ("capacity", "profit")


def to_contact(
    probability: Floats, customers: Sequence[str], decided: NDArray[np.bool_], problem: Problem
) -> NDArray[np.bool_]:
    """Whether each customer of a whole list is contacted, same shape.

    With the rule ``capacity`` those of the highest probabilities, as many as can be contacted; with
    ``profit`` no more than that of those who are decided on; with any other rule all of these.
    """
    rule = problem.threshold.rule
    if rule not in BY_CAPACITY or problem.contacts is None:
        return decided
    places = np.lexsort((np.asarray(customers, dtype=object), -probability))
    first = np.zeros(len(places), dtype=bool)
    first[places[: math.floor(problem.contacts)]] = True
    return first if rule == "capacity" else first & decided
