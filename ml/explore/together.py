"""Features beside each other: rank correlations, their order, and families that nearly repeat each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from ml.common.arrays import Floats
from ml.explore.columns import TEXT, Column, is_input

MOST_ROWS = 50_000
NEAR = 0.97
FEWEST_TOGETHER = 50


def correlations(columns: Sequence[Column], seed: int) -> dict[str, Any]:
    """Spearman's rank correlations of numbers and flags, alike ones beside each other.

    Returns
    -------
    dict
        names, values (a square, None where too few rows know both) and families: features of which each has
        a rank correlation of at least ``NEAR`` with another, whether all are identical in every row, and the
        smallest correlation that joins them.
    """
    varied = [each for each in columns if is_input(each) and each.kind != TEXT and varies(each.numbers)]
    if len(varied) < 2:
        return {"names": [each.name for each in varied], "values": [[1.0]] * len(varied), "families": []}
    numbers = np.column_stack([each.numbers for each in varied])
    square = spearman(some_of(numbers, seed))
    families = families_of(varied, square)
    order = alike_together(square)
    return {
        "names": [varied[place].name for place in order],
        "values": [
            [None if np.isnan(square[a, b]) else round(float(square[a, b]), 3) for b in order] for a in order
        ],
        "families": families,
    }


def varies(numbers: Floats) -> bool:
    """Whether there are two different values."""
    finite = numbers[np.isfinite(numbers)]
    return bool(len(finite) and finite.min() != finite.max())


def some_of(numbers: Floats, seed: int) -> Floats:
    """At most ``MOST_ROWS`` rows, drawn by seed."""
    if len(numbers) <= MOST_ROWS:
        return numbers
    return numbers[np.random.default_rng(seed).choice(len(numbers), MOST_ROWS, replace=False)]


def spearman(numbers: Floats) -> Floats:
    """Correlations of ranks over the rows where both are known; NaN where they are few or do not vary."""
    known = np.isfinite(numbers)
    ranks = np.zeros_like(numbers)
    for place in range(numbers.shape[1]):
        there = known[:, place]
        ranked = rankdata(numbers[there, place])
        ranks[there, place] = (ranked - ranked.mean()) / len(ranked) if len(ranked) else 0.0
    mask = known.astype(float)
    both, sums, squares = mask.T @ mask, ranks.T @ mask, (ranks**2).T @ mask
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = ranks.T @ ranks - sums * sums.T / both
        variance = squares - sums**2 / both
        found = covariance / np.sqrt(variance * variance.T)
    found[(both < FEWEST_TOGETHER) | (np.minimum(variance, variance.T) <= 1e-9)] = np.nan
    np.fill_diagonal(found, 1.0)
    return np.clip(found, -1, 1)


def alike_together(square: Floats) -> list[int]:
    """An order in which alike features are neighbours."""
    distance = 1 - np.abs(np.nan_to_num(square))
    distance = squareform((distance + distance.T) / 2, checks=False)
    tree = optimal_leaf_ordering(linkage(distance, "average"), distance)
    return [int(place) for place in leaves_list(tree)]


def families_of(columns: Sequence[Column], square: Floats) -> list[dict[str, Any]]:
    """Features that nearly repeat each other, the largest family first."""
    near = np.abs(np.nan_to_num(square)) >= NEAR
    _, family = connected_components(near, directed=False)
    found = []
    for label in np.unique(family):
        members = [int(place) for place in np.flatnonzero(family == label)]
        if len(members) > 1:
            pairs = np.abs(square[np.ix_(members, members)])[near[np.ix_(members, members)]]
            found.append(
                {
                    "features": [columns[place].name for place in members],
                    "identical": identical([columns[place].numbers for place in members]),
                    "least": round(float(pairs.min()), 3),
                }
            )
    return sorted(found, key=lambda each: -len(each["features"]))


def identical(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether all are equal in every row, nulls included."""
    return all(np.array_equal(arrays[0], other, equal_nan=True) for other in arrays[1:])
