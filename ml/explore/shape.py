"""One feature on the training rows: its values, what is missing or far out, and what it tells alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Flags, Floats
from ml.explore.columns import FLAG, TEXT, Column
from ml.explore.precision import interval, standard_error
from ml.metrics.single_feature_auc import rates_of_texts, roc_auc, unsigned_auc
from ml.page.figures import plain

BINS = 30
MOST_SINGLE = 32
MOST_CATEGORIES = 8
TAIL = 0.005
SKEWED = 15.0
MOSTLY_ZERO = 0.3
FENCE = 1.5
OTHERS = "(others)"
PSI_BINS = 10
LEAST_SHARE = 1e-4


def shape_of(
    column: Column, churned: Flags, half: Flags, customers: NDArray[np.intp] | None = None
) -> dict[str, Any]:
    """What there is to say of one feature.

    Parameters
    ----------
    churned, half : array of shape (rows,)
        The label, and a coin for each customer: rates of texts are learned on one half, judged on the other.
    customers : array of shape (rows,), optional
        A whole number for each customer; without, each row is a customer of its own.

    Returns
    -------
    dict
        name, kind, type, subject, description, missing (share), distinct, infinite (rows), auc (0.5 or more,
        None with one class), auc_interval (its middle 95 % by customer), rising (whether greater values churn
        more, None for texts), numbers, outliers, histogram (None unless a number), categories (None unless a
        text or flag).
    """
    finite = column.numbers[np.isfinite(column.numbers)]
    labelled = column.kind in (TEXT, FLAG)
    two = bool(churned.any() and not churned.all())
    judged = ~half if column.kind == TEXT else np.ones(len(churned), bool)
    told = what_it_tells(column, churned, half) if two else None
    auc = None if told is None else unsigned_auc(told, churned[judged])
    who = np.arange(len(churned)) if customers is None else customers
    return {
        "name": column.name,
        "kind": column.kind,
        "type": column.type,
        "subject": column.subject,
        "description": column.description,
        "missing": float(column.missing.mean()) if len(churned) else 0.0,
        "distinct": distinct(column),
        "infinite": int(np.isinf(column.numbers).sum()),
        "auc": auc,
        "auc_interval": None
        if told is None or auc is None
        else interval(auc, standard_error(told, churned[judged], who[judged])),
        "rising": rising(column, churned) if two else None,
        "numbers": None if labelled or not len(finite) else numbers_of(finite),
        "outliers": None if labelled or not len(finite) else outliers_of(finite),
        "histogram": None if labelled or not len(finite) else histogram(column.numbers, churned),
        "categories": categories(column.labels, churned) if labelled else None,
    }


def distinct(column: Column) -> int:
    """Different values, null not counted."""
    values = column.texts if column.kind == TEXT else column.numbers
    return len(np.unique(values[~column.missing].astype(str if column.kind == TEXT else float)))


def what_it_tells(column: Column, churned: Flags, half: Flags) -> Floats:
    """The feature as a score without nulls: a number's are below or above all else, whatever tells more.

    Of a text only the rows outside ``half``.
    """
    if column.kind != TEXT:
        filled = [np.where(np.isnan(column.numbers), end, column.numbers) for end in (-np.inf, np.inf)]
        return max(filled, key=lambda values: unsigned_auc(values, churned))
    return rates_of_texts(column.texts, churned, half)


def rising(column: Column, churned: Flags) -> bool | None:
    """Whether greater values churn more."""
    known = ~column.missing
    if column.kind == TEXT or not known.any():
        return None
    return roc_auc(column.numbers[known], churned[known]) >= 0.5


def numbers_of(finite: Floats) -> dict[str, float]:
    """Quantiles and mean of what is known."""
    names = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum")
    found = dict(zip(names, np.quantile(finite, (0, 0.25, 0.5, 0.75, 1)), strict=True))
    return {name: float(value) for name, value in found.items()} | {
        "mean": float(finite.mean()),
        "zeros": float((finite == 0).mean()),
    }


def outliers_of(finite: Floats) -> dict[str, Any] | None:
    """Tukey's fences: farther from the quartiles than 1.5 times the distance between them (IQR).

    None where the quartiles are equal, as where most values are 0: then there is nothing to measure with.
    """
    lower, upper = np.quantile(finite, (0.25, 0.75))
    if lower == upper:
        return None
    low, high = lower - FENCE * (upper - lower), upper + FENCE * (upper - lower)
    outside = (finite < low) | (finite > high)
    return {
        "low": float(low),
        "high": float(high),
        "share": float(outside.mean()),
        "farthest": float(finite[np.argmax(np.maximum(low - finite, finite - high))])
        if outside.any()
        else None,
    }


def histogram(values: Floats, churned: Flags) -> dict[str, Any]:
    """Shares of each class by bin; the first and last bin hold what lies beyond them.

    Returns
    -------
    dict
        scale (whole: a bin for each whole number; linear; log: equal steps of log(1 + x)), whole (whether
        all are whole numbers), edges, and for stayed and churned the share of that class's known values in
        each bin; zeros, their share in each class where they would dwarf the rest and are left out, or None.
    """
    known = np.isfinite(values)
    scale, edges = bins_of(values[known])
    zeros = None
    if scale != "whole" and (values[known] == 0).mean() > MOSTLY_ZERO and (values[known] != 0).any():
        zeros = {
            name: plain((values[known & which] == 0).mean()) if (known & which).any() else None
            for name, which in (("stayed", ~churned), ("churned", churned))
        }
        known &= values != 0
        scale, edges = bins_of(values[known])
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], -np.inf))
    whole = bool((values[known] == np.round(values[known])).all())
    found: dict[str, Any] = {"scale": scale, "whole": whole, "edges": edges.tolist(), "zeros": zeros}
    for name, which in (("stayed", known & ~churned), ("churned", known & churned)):
        counts = np.histogram(inside[which], edges)[0]
        found[name] = (counts / max(counts.sum(), 1)).tolist()
    return found


def bins_of(known: Floats) -> tuple[str, Floats]:
    """Edges that show where most values are."""
    low, high = np.quantile(known, (TAIL, 1 - TAIL))
    whole = bool((known == np.round(known)).all())
    if whole and high - low < MOST_SINGLE:
        return "whole", np.arange(np.floor(low), np.floor(high) + 2) - 0.5
    if low == high:
        return "linear", np.array([low - 0.5, low + 0.5])
    middle = np.median(known[known > 0]) if (known > 0).any() else 1.0
    if low >= 0 and high > SKEWED * middle:
        edges = np.expm1(np.linspace(np.log1p(low), np.log1p(high), BINS + 1))
        return "log", np.unique(np.append(np.round(edges), np.round(high) + 1)) - 0.5 if whole else edges
    if whole:
        step = np.ceil((high - low + 1) / BINS)
        return "linear", np.arange(low, high + 1 + step, step) - 0.5
    return "linear", np.linspace(low, high, BINS + 1)


def categories(labels: NDArray[np.object_], churned: Flags) -> list[dict[str, Any]]:
    """The most frequent values, then all others as one: rows, share, churn rate."""
    names, codes = np.unique(labels.astype(str), return_inverse=True)
    rows, gone = np.bincount(codes), np.bincount(codes, weights=churned)
    order = np.argsort(-rows, kind="stable")
    shown = order if len(order) <= MOST_CATEGORIES + 1 else order[:MOST_CATEGORIES]
    found = [(str(names[each]), int(rows[each]), float(gone[each])) for each in shown]
    if len(shown) < len(order):
        rest = order[MOST_CATEGORIES:]
        found.append((OTHERS, int(rows[rest].sum()), float(gone[rest].sum())))
    return [
        {"name": name, "rows": count, "share": count / len(labels), "churn_rate": plain(churners / count)}
        for name, count, churners in found
    ]


def stability(before: Column, after: Column) -> float | None:
    """Population stability index between two parts: 0 the same, above 0.25 another distribution."""
    if not len(before.missing) or not len(after.missing):
        return None
    sides = [bin_codes(before, each) for each in (before, after)]
    number = max(side.max() for side in sides) + 1
    first, second = (
        np.maximum(np.bincount(side, minlength=number) / len(side), LEAST_SHARE) for side in sides
    )
    return float(((second - first) * np.log(second / first)).sum())


def bin_codes(reference: Column, column: Column) -> NDArray[np.intp]:
    """Each row's bin by the reference's tenths, its null a bin of its own; a text's is itself."""
    if column.kind in (TEXT, FLAG):
        names = np.unique(reference.labels.astype(str))
        places = np.searchsorted(names, column.labels.astype(str))
        known = names[np.minimum(places, len(names) - 1)] == column.labels.astype(str)
        return np.where(known, places, len(names)).astype(np.intp)
    finite = reference.numbers[np.isfinite(reference.numbers)]
    edges = (
        np.unique(np.quantile(finite, np.linspace(0, 1, PSI_BINS + 1)[1:-1])) if len(finite) else np.empty(0)
    )
    places = np.searchsorted(edges, column.numbers, side="right")
    return np.where(column.missing, len(edges) + 1, places).astype(np.intp)
