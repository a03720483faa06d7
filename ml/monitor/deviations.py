"""How far each week is from the weeks before it, at the same spacing for every week.

A series of weeks comes in, oldest first; as many deviations go out, NaN where there are too few weeks before.
A week is compared with the mean of the weeks just before it, not with all the past: a slow trend and a season
move every deviation alike, so deviations can be ranked among one another where levels could not.
"""

from typing import Literal

import numpy as np

from ml.common.array_types import Floats

Side = Literal["both", "up", "down"]


def baselines(values: Floats, lag: int, span: int) -> Floats:
    """The mean of the ``span`` weeks that end ``lag`` weeks before each week, row by row.

    Parameters
    ----------
    values : array of shape (weeks,) or (weeks, bins)
    lag : int
        1, or more where the windows of neighbouring weeks overlap.
    span : int

    Returns
    -------
    array of the same shape
        NaN for a week whose baseline would begin before the first week or hold a NaN.
    """
    means = np.full(values.shape, np.nan)
    for week in range(lag + span - 1, len(values)):
        means[week] = values[week - lag - span + 1 : week - lag + 1].mean(axis=0)
    return means


def deviations(values: Floats, lag: int, span: int, side: Side = "both") -> Floats:
    """The distance of each week's value to its baseline; of one side only, the other side counts as 0."""
    moves = values - baselines(values, lag, span)
    if side == "both":
        return np.abs(moves)
    return np.where(np.isnan(moves), np.nan, np.maximum(moves if side == "up" else -moves, 0.0))


def histogram_deviations(shares: Floats, lag: int, span: int) -> Floats:
    """The Jensen-Shannon distance of each week's histogram to the mean one of its baseline.

    Parameters
    ----------
    shares : array of shape (weeks, bins)
        Shares of each week, which add up to 1.

    Returns
    -------
    array of shape (weeks,)
        From 0 to 1 (Lin, 1991, with logarithms to the base 2).
    """
    return jensen_shannon(shares, baselines(shares, lag, span))


def jensen_shannon(one: Floats, other: Floats) -> Floats:
    """The Jensen-Shannon distance, row by row, of two arrays of shape (rows, bins)."""
    middle = (one + other) / 2
    divergence = (relative_entropy(one, middle) + relative_entropy(other, middle)) / 2
    return np.sqrt(np.maximum(divergence, 0.0))


def relative_entropy(one: Floats, other: Floats) -> Floats:
    """The Kullback-Leibler divergence in bits, row by row; a bin that ``one`` lacks adds nothing."""
    ratio = np.divide(one, other, out=np.ones_like(one), where=(one > 0) & (other > 0))
    return np.where(np.isnan(one) | np.isnan(other), np.nan, one * np.log2(ratio)).sum(axis=-1)
