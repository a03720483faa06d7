"""How two samples of one feature differ: bins in which zeros and nulls stand alone, and the usual distances.

These figures are diagnosis: none of them has a threshold, and none pages.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.common.array_types import Floats

BINS = 10
SMALLEST_SHARE = 1e-4  # of an empty bin in the PSI, which has a logarithm
OTHERS = "(others)"
CATEGORIES_MAX = 30


@dataclass(frozen=True)
class Bins:
    """Bins of a number: null, exactly 0, then between the edges, which are quantiles of the other values."""

    edges: Floats

    @classmethod
    def of(cls, values: Floats, bins: int = BINS) -> "Bins":
        """From a reference sample; NaN is null."""
        others = values[np.isfinite(values) & (values != 0)]
        inner = np.linspace(0, 1, bins + 1)[1:-1]
        return cls(np.unique(np.quantile(others, inner)) if len(others) else np.empty(0))

    def shares(self, values: Floats) -> Floats:
        """The share of values in each bin."""
        places = np.searchsorted(self.edges, values, side="right") + 2
        places = np.where(np.isnan(values), 0, np.where(values == 0, 1, places))
        return np.bincount(places.astype(int), minlength=len(self.edges) + 3) / max(len(values), 1)


@dataclass(frozen=True)
class Categories:
    """The most frequent texts of a reference sample, null, and all others."""

    names: tuple[str | None, ...]

    @classmethod
    def of(cls, values: "pd.Series[str]") -> "Categories":
        counts = values.dropna().value_counts()
        return cls((None, *map(str, counts.index[:CATEGORIES_MAX]), OTHERS))

    def shares(self, values: "pd.Series[str]") -> Floats:
        """The share of rows in each category."""
        places = pd.Series({name: place for place, name in enumerate(self.names) if name is not None})
        found = values.map(places).fillna(len(self.names) - 1).where(values.notna(), 0)
        return np.bincount(found.astype(int), minlength=len(self.names)) / max(len(values), 1)


def psi(now: Floats, before: Floats) -> float:
    """The population stability index of two arrays of shares of the same bins."""
    now, before = (np.maximum(shares, SMALLEST_SHARE) for shares in (now, before))
    return float(((now - before) * np.log(now / before)).sum())


def kolmogorov_smirnov(now: Floats, before: Floats) -> float:
    """The largest distance of the distribution functions of two samples; NaN where one is empty."""
    now, before = np.sort(now[np.isfinite(now)]), np.sort(before[np.isfinite(before)])
    if not len(now) or not len(before):
        return float("nan")
    values = np.concatenate([now, before])
    gaps = np.searchsorted(now, values, "right") / len(now)
    return float(np.abs(gaps - np.searchsorted(before, values, "right") / len(before)).max())


def wasserstein(now: Floats, before: Floats) -> float:
    """The Wasserstein distance over the interquartile range (standard deviation if that is 0) before."""
    from scipy.stats import wasserstein_distance

    now, before = now[np.isfinite(now)], before[np.isfinite(before)]
    if not len(now) or not len(before):
        return float("nan")
    low, high = np.quantile(before, [0.25, 0.75])
    unit = float(high - low) or float(before.std()) or 1.0
    return float(wasserstein_distance(now, before)) / unit


def mean_shift(now: Floats, before: Floats) -> float:
    """The difference of the means in standard deviations of before."""
    now, before = now[np.isfinite(now)], before[np.isfinite(before)]
    if not len(now) or not len(before):
        return float("nan")
    return float(now.mean() - before.mean()) / (float(before.std()) or 1.0)


def false_discoveries(p: Floats, share: float) -> NDArray[np.bool_]:
    """Which of many p-values to list, so that at most ``share`` of them are false (Benjamini-Hochberg, 1995).

    NaN is never listed.
    """
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    passed = np.flatnonzero(p[order] <= share * np.arange(1, len(order) + 1) / max(len(order), 1))
    listed = np.zeros(len(p), dtype=bool)
    if len(passed):
        listed[order[: passed[-1] + 1]] = True
    return listed
