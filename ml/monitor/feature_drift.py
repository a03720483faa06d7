"""Drift of each feature: the newest week beside those before it, as diagnosis with few false discoveries."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ml.common.array_types import Flags, Floats
from ml.model.inputs import TEXT
from ml.monitor.deviations import histogram_deviations
from ml.monitor.distances import (
    Bins,
    Categories,
    false_discoveries,
    kolmogorov_smirnov,
    mean_shift,
    psi,
    wasserstein,
)
from ml.monitor.rank_rule import judge
from ml.monitor.settings import MonitorSettings
from ml.monitor.weeks import WEEK, ScoredRows

NEW_SHARE = 0.005  # a category below it is not named


@dataclass(frozen=True)
class FeatureDrift:
    """One feature of the newest week beside its baseline.

    Parameters
    ----------
    feature, kind : str
    drifted : bool
        Whether it is among the discoveries.
    rank_p : float or None
        The share of weeks whose distance to their baselines is as large.
    psi, ks, wasserstein, mean_shift : float or None
        Diagnosis; the last three of numbers and flags only.
    nulls, nulls_before : float
        Shares of null.
    low, high, low_before, high_before : float or None
        The range of a number.
    new_categories : tuple of str
        Texts that no baseline week has.
    largest_change : str
        Of a text: the category whose share has changed most, and the shares.
    """

    feature: str
    kind: str
    drifted: bool
    rank_p: float | None
    psi: float
    ks: float | None
    wasserstein: float | None
    mean_shift: float | None
    nulls: float
    nulls_before: float
    low: float | None
    high: float | None
    low_before: float | None
    high_before: float | None
    new_categories: tuple[str, ...]
    largest_change: str


def feature_drift(
    scored: ScoredRows, weeks: int, settings: MonitorSettings, usable: Flags
) -> list[FeatureDrift]:
    """Every feature, the drifted ones first, then by rank and distance."""
    week = scored.rows[WEEK].to_numpy()
    now = week == weeks - 1
    before = (week >= weeks - 1 - settings.baseline_weeks) & ~now
    if not now.any() or not before.any():
        return []
    names = list(scored.kinds)
    ranks = np.array(
        [rank(scored.rows[name], scored.kinds[name], week, weeks, settings, usable) for name in names]
    )
    listed = false_discoveries(ranks, settings.feature_false_share)
    found = [
        described(name, scored.kinds[name], scored.rows[name][now], scored.rows[name][before], p, drifted)
        for name, p, drifted in zip(names, ranks, listed, strict=True)
    ]
    return sorted(
        found, key=lambda each: (not each.drifted, 1.0 if each.rank_p is None else each.rank_p, -each.psi)
    )


def rank(
    column: "pd.Series", kind: str, week: Floats, weeks: int, settings: MonitorSettings, usable: Flags
) -> float:
    """The share of weeks that lie as far from their baselines as the newest; NaN if that cannot be said."""
    shares = weekly_shares(column, kind, week, weeks)
    distances = histogram_deviations(shares, 1, settings.baseline_weeks)
    if not np.isfinite(distances[-1]) or not distances[-1] > 0:
        return float("nan")
    verdict = judge(distances[:, None], weeks - 1, 1.0, most=settings.reference_weeks, usable=usable)
    return verdict.rank_p


def weekly_shares(column: "pd.Series", kind: str, week: Floats, weeks: int) -> Floats:
    """The histogram of each week, in bins of all weeks together; NaN for a week without rows."""
    shares = histogram_of(kind, column)
    edges = np.searchsorted(week, np.arange(weeks + 1))
    parts = [column.iloc[first:end] for first, end in pairwise(edges)]
    rows = [shares(part) if len(part) else None for part in parts]
    width = max(len(row) for row in rows if row is not None)
    return np.array([np.full(width, np.nan) if row is None else row for row in rows])


def histogram_of(kind: str, reference: "pd.Series") -> Callable[["pd.Series"], Floats]:
    """What makes the histogram of a sample, in bins of a reference sample."""
    if kind == TEXT:
        return Categories.of(reference).shares
    bins = Bins.of(reference.to_numpy())
    return lambda sample: bins.shares(sample.to_numpy())


def described(
    name: str, kind: str, now: "pd.Series", before: "pd.Series", p: float, drifted: bool
) -> FeatureDrift:
    """All distances of one feature."""
    is_text = kind == TEXT
    numbers = (np.empty(0), np.empty(0)) if is_text else (now.to_numpy(), before.to_numpy())
    shares = histogram_of(kind, before)
    ranges = [end for sample in numbers for end in range_of(sample)]
    new, change = text_changes(now, before) if is_text else ((), "")
    return FeatureDrift(
        feature=name,
        kind=kind,
        drifted=bool(drifted),
        rank_p=none_if_nan(p),
        psi=psi(shares(now), shares(before)),
        ks=None if is_text else none_if_nan(kolmogorov_smirnov(*numbers)),
        wasserstein=None if is_text else none_if_nan(wasserstein(*numbers)),
        mean_shift=None if is_text else none_if_nan(mean_shift(*numbers)),
        nulls=float(now.isna().mean()),
        nulls_before=float(before.isna().mean()),
        low=ranges[0],
        high=ranges[1],
        low_before=ranges[2],
        high_before=ranges[3],
        new_categories=new,
        largest_change=change,
    )


def range_of(values: Floats) -> tuple[float | None, float | None]:
    """The smallest and the largest number."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (None, None)


def text_changes(now: "pd.Series", before: "pd.Series") -> tuple[tuple[str, ...], str]:
    """New categories, and the largest change of a share in words."""
    shares = dict(now.fillna("(null)").value_counts(normalize=True).items())
    old = dict(before.fillna("(null)").value_counts(normalize=True).items())
    new = tuple(str(name) for name, share in shares.items() if name not in old and share >= NEW_SHARE)
    moves = {name: shares.get(name, 0.0) - old.get(name, 0.0) for name in {**shares, **old}}
    if not moves:
        return new, ""
    most = max(sorted(moves, key=str), key=lambda name: abs(moves[name]))
    return new, f"{most}: {old.get(most, 0.0):.1%} before, {shares.get(most, 0.0):.1%} now"


def none_if_nan(value: float) -> float | None:
    """NaN as None, which JSON has."""
    return float(value) if np.isfinite(value) else None
