"""One feature on the training rows: its values, nulls and outliers, and its own ROC-AUC."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Flags, Floats
from ml.explore.auc_standard_error import interval, standard_error
from ml.explore.feature_columns import FLAG, TEXT, Column
from ml.metrics.single_feature_auc import rates_of_texts, roc_auc, unsigned_auc
from ml.page.number_text import plain

BINS = 30
MOST_SINGLE = 32  # whole numbers with a bin of their own
MOST_CATEGORIES = 8
TAIL = 0.005  # share of rows beyond the first and the last edge
SKEWED = 15.0  # times the median of positive values: from such a maximum on the axis is logarithmic
MOSTLY_ZERO = 0.3  # share of zeros that would make the other bars too small
FENCE = 1.5  # Tukey's
OTHERS = "(others)"
PSI_BINS = 10  # the usual number; the limit of 0.25 is for tenths
LEAST_SHARE = 1e-4  # so that an empty bin does not make the index infinite


def shape_of(
    column: Column, churned: Flags, half: Flags, customers: NDArray[np.intp] | None = None
) -> dict[str, Any]:
    """The description of one feature.

    Parameters
    ----------
    churned, half : array of shape (rows,)
        The label, and whether the customer is in the first half: churn rates of texts come from this half,
        their ROC-AUC from the other.
    customers : array of shape (rows,), optional
        A whole number for each customer; by default each row is a customer.

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
    both_classes = bool(churned.any() and not churned.all())
    auc = auc_interval = None
    if both_classes:
        rows = ~half if column.kind == TEXT else np.ones(len(churned), bool)
        scores = scores_of(column, churned, half)
        owners = np.arange(len(churned)) if customers is None else customers
        auc = unsigned_auc(scores, churned[rows])
        auc_interval = interval(auc, standard_error(scores, churned[rows], owners[rows]))
    return {
        "name": column.name,
        "kind": column.kind,
        "type": column.type,
        "subject": column.subject,
        "description": column.description,
        "missing": float(column.missing.mean()) if len(churned) else 0.0,
        "distinct": count_distinct(column),
        "infinite": int(np.isinf(column.numbers).sum()),
        "auc": auc,
        "auc_interval": auc_interval,
        "rising": is_rising(column, churned) if both_classes else None,
        "numbers": None if labelled or not len(finite) else quantiles_of(finite),
        "outliers": None if labelled or not len(finite) else outliers_of(finite),
        "histogram": None if labelled or not len(finite) else histogram(column.numbers, churned),
        "categories": categories(column.labels, churned) if labelled else None,
    }


def count_distinct(column: Column) -> int:
    """Number of different values, without null."""
    values = column.texts if column.kind == TEXT else column.numbers
    return len(np.unique(values[~column.missing].astype(str if column.kind == TEXT else float)))


def scores_of(column: Column, churned: Flags, half: Flags) -> Floats:
    """The feature as a score without nulls: below or above all values, whichever gives the greater ROC-AUC.

    Of a text the churn rates of the rows outside ``half``.
    """
    if column.kind == TEXT:
        return rates_of_texts(column.texts, churned, half)
    filled = [np.where(np.isnan(column.numbers), end, column.numbers) for end in (-np.inf, np.inf)]
    return max(filled, key=lambda values: unsigned_auc(values, churned))


def is_rising(column: Column, churned: Flags) -> bool | None:
    """Whether greater values churn more; None for texts and nulls."""
    known = ~column.missing
    if column.kind == TEXT or not known.any():
        return None
    return roc_auc(column.numbers[known], churned[known]) >= 0.5


def quantiles_of(finite: Floats) -> dict[str, float]:
    """Quantiles, mean and share of zeros of the known values."""
    names = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum")
    quantiles = np.quantile(finite, (0, 0.25, 0.5, 0.75, 1)).tolist()
    return dict(zip(names, quantiles, strict=True)) | {
        "mean": float(finite.mean()),
        "zeros": float((finite == 0).mean()),
    }


def outliers_of(finite: Floats) -> dict[str, Any] | None:
    """Values outside Tukey's fences, 1.5 times the interquartile range beyond the quartiles.

    None where the quartiles are equal, as where most values are 0.
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
    """Shares of each class by bin; the first and last bin have the values beyond them too.

    Returns
    -------
    dict
        scale (whole: a bin for each whole number; linear; log: equal steps of log(1 + x)), whole (whether
        all are whole numbers), edges, and for stayed and churned the share of that class's known values in
        each bin; zeros, their share in each class where they are too many to be drawn, or None.
    """
    known = np.isfinite(values)
    scale, edges = bins_of(values[known])
    zeros = None
    if scale != "whole" and (values[known] == 0).mean() > MOSTLY_ZERO and (values[known] != 0).any():
        zeros = {
            name: plain((values[known & rows] == 0).mean()) if (known & rows).any() else None
            for name, rows in (("stayed", ~churned), ("churned", churned))
        }
        known &= values != 0
        scale, edges = bins_of(values[known])
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], -np.inf))
    whole = bool((values[known] == np.round(values[known])).all())
    bins: dict[str, Any] = {"scale": scale, "whole": whole, "edges": edges.tolist(), "zeros": zeros}
    for name, rows in (("stayed", known & ~churned), ("churned", known & churned)):
        counts = np.histogram(inside[rows], edges)[0]
        bins[name] = (counts / max(counts.sum(), 1)).tolist()
    return bins


def bins_of(known: Floats) -> tuple[str, Floats]:
    """The scale and edges for the middle 99 % of the values."""
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
    rows, churners = np.bincount(codes), np.bincount(codes, weights=churned)
    order = np.argsort(-rows, kind="stable")
    shown = order if len(order) <= MOST_CATEGORIES + 1 else order[:MOST_CATEGORIES]
    counts = [(str(names[code]), int(rows[code]), float(churners[code])) for code in shown]
    if len(shown) < len(order):
        rest = order[MOST_CATEGORIES:]
        counts.append((OTHERS, int(rows[rest].sum()), float(churners[rest].sum())))
    return [
        {"name": name, "rows": number, "share": number / len(labels), "churn_rate": plain(gone / number)}
        for name, number, gone in counts
    ]


def stability(before: Column, after: Column) -> float | None:
    """Population stability index between two parts: 0 if equal, above 0.25 for another distribution."""
    if not len(before.missing) or not len(after.missing):
        return None
    codes = [bin_codes(before, column) for column in (before, after)]
    number = max(of_part.max() for of_part in codes) + 1
    first, second = (
        np.maximum(np.bincount(of_part, minlength=number) / len(of_part), LEAST_SHARE) for of_part in codes
    )
    return float(((second - first) * np.log(second / first)).sum())


def bin_codes(reference: Column, column: Column) -> NDArray[np.intp]:
    """Each row's bin by the reference's tenths, or by its text; nulls and unseen texts have their own bin."""
    if column.kind in (TEXT, FLAG):
        labels = column.labels.astype(str)
        names = np.unique(reference.labels.astype(str))
        codes = np.searchsorted(names, labels)
        known = names[np.minimum(codes, len(names) - 1)] == labels
        return np.where(known, codes, len(names)).astype(np.intp)
    finite = reference.numbers[np.isfinite(reference.numbers)]
    edges = np.empty(0)
    if len(finite):
        edges = np.unique(np.quantile(finite, np.linspace(0, 1, PSI_BINS + 1)[1:-1]))
    codes = np.searchsorted(edges, column.numbers, side="right")
    return np.where(column.missing, len(edges) + 1, codes).astype(np.intp)
