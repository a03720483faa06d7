"""Medians and ratios from measured runs; page and plot read them here."""

from statistics import median
from typing import Any

STEPS = {
    "ingest": "ingest",
    "build": "build",
    "bare": "bare DuckDB",
    "features": "features",
    "score": "score",
}
Shop = dict[str, Any]


def middle(shop: Shop, step: str, what: str) -> float:
    """Median over the repeats of one step."""
    return median(run[what] for run in shop["runs"][step])


def extent(shop: Shop, step: str, what: str) -> tuple[float, float]:
    """Smallest and largest of the repeats."""
    values = [run[what] for run in shop["runs"][step]]
    return min(values), max(values)


def against_bare(shop: Shop, what: str) -> float:
    """Median over the repeats of build / bare DuckDB, each pair from the same repeat."""
    pairs = zip(shop["runs"]["build"], shop["runs"]["bare"], strict=True)
    return median(build[what] / bare[what] for build, bare in pairs)


def parts(shop: Shop) -> dict[str, float]:
    """Median seconds of each part of the build."""
    runs = shop["runs"]["build"]
    return {part: median(run["parts"][part] for run in runs) for part in runs[0]["parts"]}


def same_work_against_bare(shop: Shop, same: tuple[str, ...]) -> float:
    """The parts of the build that the baseline does too, as a multiple of the baseline's seconds."""
    pairs = zip(shop["runs"]["build"], shop["runs"]["bare"], strict=True)
    return median(sum(build["parts"][part] for part in same) / bare["seconds"] for build, bare in pairs)


def growth(small: Shop, large: Shop, step: str, what: str) -> float:
    """How many times as much the larger shop takes."""
    return middle(large, step, what) / middle(small, step, what)


def busiest(shops: list[Shop]) -> float:
    """Largest load average just before any of the runs."""
    return max(run["load_before"] for shop in shops for runs in shop["runs"].values() for run in runs)
