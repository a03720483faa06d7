"""Segments learned again keep the number and name of those whose customers they have."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

# Below it more than half of the customers of both together changed: the segment is dissolved (Hennig, 2008).
OVERLAP_MIN = 0.5


def matched_positions(
    fresh: NDArray[np.int64], earlier: NDArray[np.int64], segments: int, segments_earlier: int
) -> Mapping[int, int]:
    """Which earlier segment each new one continues.

    The pairs whose customers overlap most in all (Kuhn, 1955), of which those stay whose customers in both
    are at least ``OVERLAP_MIN`` of the customers in either (Jaccard).

    Parameters
    ----------
    fresh, earlier : array of shape (customers,)
        Positions of the segment of the same customers, by the new and by the earlier centres.

    Returns
    -------
    mapping
        From a new position to the earlier one, each at most once.
    """
    both = np.zeros((segments, segments_earlier))
    np.add.at(both, (fresh, earlier), 1)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    overlap = both / np.maximum(either, 1)
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return {int(new): int(old) for new, old in pairs if overlap[new, old] >= OVERLAP_MIN}
