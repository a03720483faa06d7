"""Pairs of features: rank correlations, an order of similarity, and families of near-duplicates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from ml.common.array_types import Floats
from ml.explore.feature_columns import INSTANT, TEXT, Column

MOST_ROWS = 50_000  # enough for correlations of two decimals
NEAR = 0.97
FEWEST_TOGETHER = 50  # rows where both are known


def correlations(columns: Sequence[Column], seed: int) -> dict[str, Any]:
    """Spearman's rank correlations of numbers and flags, similar ones as neighbours.

    Returns
    -------
    dict
        names, values (a square matrix, None where both are known in too few rows) and families: features of
        which each has a rank correlation of at least ``NEAR`` with another, whether all are identical in
        every row, and the smallest correlation that joins them.
    """
    columns = [column for column in columns if column.kind not in (INSTANT, TEXT) and varies(column.numbers)]
    names = [column.name for column in columns]
    if len(columns) < 2:
        return {"names": names, "values": [[1.0]] * len(columns), "families": []}
    numbers = np.column_stack([column.numbers for column in columns])
    if len(numbers) > MOST_ROWS:
        numbers = numbers[np.random.default_rng(seed).choice(len(numbers), MOST_ROWS, replace=False)]
    matrix = spearman(numbers)
    order = similar_as_neighbours(matrix)
    return {
        "names": [names[index] for index in order],
        "values": [
            [None if np.isnan(matrix[a, b]) else round(float(matrix[a, b]), 3) for b in order] for a in order
        ],
        "families": families_of(columns, matrix),
    }


def varies(numbers: Floats) -> bool:
    """Whether there are two different values."""
    finite = numbers[np.isfinite(numbers)]
    return bool(len(finite) and finite.min() != finite.max())


def spearman(numbers: Floats) -> Floats:
    """Correlations of ranks over the rows where both are known; NaN where they are few or do not vary."""
    known = np.isfinite(numbers)
    ranks = np.zeros_like(numbers)
    for column in range(numbers.shape[1]):
        rows = known[:, column]
        ranked = rankdata(numbers[rows, column])
        ranks[rows, column] = (ranked - ranked.mean()) / len(ranked) if len(ranked) else 0.0
    mask = known.astype(float)
    both, sums, squares = mask.T @ mask, ranks.T @ mask, (ranks**2).T @ mask
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = ranks.T @ ranks - sums * sums.T / both
        variance = squares - sums**2 / both
        matrix = covariance / np.sqrt(variance * variance.T)
    matrix[(both < FEWEST_TOGETHER) | (np.minimum(variance, variance.T) <= 1e-9)] = np.nan
    np.fill_diagonal(matrix, 1.0)
    return np.clip(matrix, -1, 1)


def similar_as_neighbours(matrix: Floats) -> list[int]:
    """An order in which similar features are neighbours."""
    distance = 1 - np.abs(np.nan_to_num(matrix))
    distance = squareform((distance + distance.T) / 2, checks=False)
    tree = optimal_leaf_ordering(linkage(distance, "average"), distance)
    return [int(index) for index in leaves_list(tree)]


def families_of(columns: Sequence[Column], matrix: Floats) -> list[dict[str, Any]]:
    """Near-duplicates, the largest family first."""
    near = np.abs(np.nan_to_num(matrix)) >= NEAR
    _, family = connected_components(near, directed=False)
    families = []
    for label in np.unique(family):
        members = [int(index) for index in np.flatnonzero(family == label)]
        if len(members) > 1:
            pairs = np.abs(matrix[np.ix_(members, members)])[near[np.ix_(members, members)]]
            first, *others = (columns[index].numbers for index in members)
            families.append(
                {
                    "features": [columns[index].name for index in members],
                    "identical": all(np.array_equal(first, other, equal_nan=True) for other in others),
                    "least": round(float(pairs.min()), 3),
                }
            )
    return sorted(families, key=lambda family: -len(family["features"]))
