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
    """For each row the indices of the inputs that are reasons, in their order."""
    totals = by_subject(added, subjects)
    names = list(totals)
    sums = np.column_stack(list(totals.values())) if names else np.zeros((len(added), 0))
    codes = np.array([names.index(subject) for subject in subjects], dtype=np.intp)
    return [choose_row_reasons(row, total, codes, most) for row, total in zip(added, sums, strict=True)]


def choose_row_reasons(row: Floats, totals: Floats, codes: NDArray[np.intp], most: int) -> list[int]:
    """The indices of one row; ``codes`` has the subject of each input in ``totals``."""
    greatest = max(row, default=0.0)
    raising = [
        int(index)
        for index in np.argsort(-row, kind="stable")
        if row[index] > max(NEGLIGIBLE, LEAST_OF_FEATURE * greatest)
    ]
    leading: dict[int, int] = {}
    for index in raising:
        leading.setdefault(int(codes[index]), index)
    least = LEAST_OF_SUBJECT * max([greatest, *totals])
    first = [index for index in leading.values() if totals[codes[index]] >= least]
    first.sort(key=lambda index: -totals[codes[index]])
    return [*first, *(index for index in raising if index not in first)][:most]
