"""Arithmetic of the online benchmarks: quantiles, medians, and what a part says about the whole."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

Runs = Sequence[dict[str, Any]]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": median(values), "least": min(values), "most": max(values)}


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds at the median, the 99th percentile and at worst, and how many requests."""
    return {
        "requests": len(seconds),
        "p50_ms": quantile(seconds, 0.5) * 1000,
        "p99_ms": quantile(seconds, 0.99) * 1000,
        "worst_ms": max(seconds) * 1000,
    }


def together(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over repeats, and the spread of both quantiles."""
    figures: dict[str, float] = {name: median(run[name] for run in runs) for name in runs[0]}
    for name in ("p50_ms", "p99_ms"):
        figures |= {f"least_{name}": min(run[name] for run in runs)}
        figures |= {f"most_{name}": max(run[name] for run in runs)}
    return figures


def scaled(sizes: Sequence[int], seconds: Sequence[float], whole: int) -> dict[str, float]:
    """What two parts say that the whole would take, in favour of whoever was measured on parts.

    Returns
    -------
    dict
        ``seconds`` for the whole: the smaller of the larger part's in proportion, and of the straight line
        through both; ``linearity``: how the time grew, as a multiple of how the size did (1 is linear).
    """
    (small, large), (first, second) = sizes, seconds
    line = second + max(second - first, 0) / (large - small) * (whole - large)
    return {
        "seconds": min(second * whole / large, line),
        "linearity": (second / first) / (large / small),
    }
