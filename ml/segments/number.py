"""How many segments there are: as many as two halves of the customers agree on.

Prediction strength (Tibshirani and Walther, 2005): one half of the rows is clustered, and so is the other;
of the pairs that a cluster of the second half puts together, the share that the first half's centres put
together as well, in the cluster where that share is lowest. It is 1 where both halves find the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.common.array_types import Floats

STRENGTH_MIN = 0.8  # of the paper: from 0.8 to 0.9 up clusters are well separated
SEGMENTS_MAX = 8  # more than anyone keeps apart by name
SPLITS = 10  # random halves; their spread makes the standard error
ROWS_TO_CHOOSE = 6_000  # more rows make weaker structure pass, and the number would grow with the shop
ROWS_TO_FIT = 200_000  # centres move by less than a thousandth of a scale beyond
STARTS = 10  # of k-means, each from other random centres; the best is kept
STARTS_OF_HALF = 4  # in the many fits that choose the number


@dataclass(frozen=True)
class Strength:
    """How well one number of segments repeats itself.

    Parameters
    ----------
    segments : int
    strength, standard_error : float
        Mean prediction strength over random halves, and its standard error.
    silhouette : float
        Mean silhouette (Rousseeuw, 1987), for the reader; 0 for one segment. It does not choose.
    """

    segments: int
    strength: float
    standard_error: float
    silhouette: float

    @property
    def passes(self) -> bool:
        """Whether the strength is enough, even a standard error lower."""
        return self.strength - self.standard_error >= STRENGTH_MIN


def fit_centres(points: Floats, segments: int, seed: int) -> Floats:
    """The centres of k-means, shape (segments, inputs)."""
    # Two threads on a busy core wait for each other: ten times as long as one.
    with threadpool_limits(1):
        return clustered(points, segments, seed, STARTS)


def clustered(points: Floats, segments: int, seed: int, starts: int) -> Floats:
    fitted = KMeans(segments, n_init=starts, random_state=seed).fit(sampled(points, ROWS_TO_FIT, seed))
    centres: Floats = fitted.cluster_centers_
    return centres


def nearest(points: Floats, centres: Floats) -> NDArray[np.int64]:
    """The position of the nearest centre of each point; of two as near, the first."""
    # Centre after centre in a fixed order: a customer's segment is the same alone or among a million.
    distances = np.stack([((points - centre) ** 2).sum(axis=1) for centre in centres])
    return distances.argmin(axis=0)


def sampled(points: Floats, most: int, seed: int) -> Floats:
    """At most so many of the points, drawn at random."""
    if len(points) <= most:
        return points
    return points[np.random.default_rng(seed).choice(len(points), most, replace=False)]


def strengths(points: Floats, seed: int, segments_max: int = SEGMENTS_MAX) -> list[Strength]:
    """The strength of one segment, of two, and so on.

    Parameters
    ----------
    points : array of shape (customers, inputs)
        Scaled.
    """
    points = sampled(points, ROWS_TO_CHOOSE, seed)
    distinct = len(np.unique(points, axis=0))
    measured = [Strength(1, 1.0, 0.0, 0.0)]
    with threadpool_limits(1):
        for segments in range(2, segments_max + 1):
            # Each half needs more distinct points than centres.
            if distinct < 4 * segments:
                break
            measured.append(strength_of(points, segments, seed))
    return measured


def strength_of(points: Floats, segments: int, seed: int) -> Strength:
    generator = np.random.default_rng([seed, segments])
    values = [split_strength(points, segments, generator) for _ in range(SPLITS)]
    error = float(np.std(values, ddof=1) / np.sqrt(SPLITS))
    labels = nearest(points, clustered(points, segments, seed, STARTS))
    silhouette = silhouette_score(points, labels, sample_size=min(len(points), 2_000), random_state=seed)
    return Strength(segments, float(np.mean(values)), error, float(silhouette))


def split_strength(points: Floats, segments: int, generator: np.random.Generator) -> float:
    """The prediction strength of one split into random halves."""
    order = generator.permutation(len(points))
    seed = int(generator.integers(2**31))
    first, second = points[order[: len(points) // 2]], points[order[len(points) // 2 :]]
    own = nearest(second, clustered(second, segments, seed, STARTS_OF_HALF))
    predicted = nearest(second, clustered(first, segments, seed, STARTS_OF_HALF))
    return min(pairs_kept(predicted[own == segment]) for segment in range(segments))


def pairs_kept(predicted: NDArray[np.int64]) -> float:
    """Of the pairs of rows of one cluster, the share that has one predicted cluster; 1 for a single row."""
    rows = len(predicted)
    counts = np.unique(predicted, return_counts=True)[1]
    return 1.0 if rows < 2 else float((counts * (counts - 1)).sum() / (rows * (rows - 1)))


def choose_number(measured: Sequence[Strength], earlier: int | None = None) -> int:
    """The number of earlier segments while it passes, for users know them; else the greatest that does."""
    passing = [strength.segments for strength in measured if strength.passes]
    return earlier if earlier in passing and earlier > 1 else max(passing)
