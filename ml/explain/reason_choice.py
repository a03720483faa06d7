"""Which contributions to a score are given as its reasons, and in which order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.explain.subjects import by_subject

NEGLIGIBLE = 1e-9
LEAST_OF_SUBJECT = 0.1  # of the greatest subject or feature: a subject below it does not come first
LEAST_OF_FEATURE = 0.05  # of the greatest feature: one below it is no reason


def choose_reasons(added: Floats, subjects: Sequence[str], most: int) -> list[list[int]]:
    """For each row the indices of the inputs that are reasons, in their order.

    Parameters
    ----------
    added : array of shape (rows, inputs)
    subjects : sequence of str
        The subject of each input.
    most : int
        How many reasons a row has at most.
    """
    if not added.size:
        return [[] for _ in range(len(added))]
    row = np.arange(len(added))[:, None]
    greatest = added.max(axis=1, keepdims=True)
    raises = added > np.maximum(NEGLIGIBLE, LEAST_OF_FEATURE * greatest)
    totals = by_subject(added, subjects)
    sums = np.column_stack(list(totals.values()))
    least = LEAST_OF_SUBJECT * np.maximum(greatest, sums.max(axis=1, keepdims=True))
    place = ranks(-added)
    # The leading features of the subjects that count come before all others, by the sum of their subject.
    leading = np.column_stack([leading_column(place, subjects, subject) for subject in totals])
    in_front = raises[row, leading] & (sums >= least)
    by_lead = np.argsort(place[row, leading], axis=1)
    before = np.empty(sums.shape, dtype=np.intp)
    before[row, by_lead] = ranks(-sums[row, by_lead]) - sums.shape[1]
    place[row, leading] = np.where(in_front, before, place[row, leading])
    first = np.argsort(np.where(raises, place, added.shape[1]), axis=1, kind="stable")[:, :most]
    counts = np.minimum(raises.sum(axis=1), most)
    return [of_row[:count] for of_row, count in zip(first.tolist(), counts.tolist(), strict=True)]


def ranks(values: Floats) -> NDArray[np.intp]:
    """The place of each value in its row, from the smallest, 0; of equals the first comes first."""
    order = np.argsort(values, axis=1, kind="stable")
    places = np.empty(values.shape, dtype=np.intp)
    places[np.arange(len(values))[:, None], order] = np.arange(values.shape[1])
    return places


def leading_column(place: NDArray[np.intp], subjects: Sequence[str], subject: str) -> NDArray[np.intp]:
    """For each row the input of a subject that comes first, shape (rows,)."""
    columns = np.flatnonzero(np.array(subjects) == subject)
    return columns[place[:, columns].argmin(axis=1)]
