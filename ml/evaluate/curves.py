"""Curves of the probabilities of test rows, as points few enough for a page."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.decision.contact_profit import profit
from ml.decision.threshold_totals import ThresholdTotals
from ml.evaluate.bootstrapped_rows import Rows

MOST_POINTS = 200  # of a curve
GROUPS = 15  # of the reliability curve, as many as bins of the calibration error
Points = dict[str, list[float]]


def curves(rows: Rows, probabilities: Mapping[str, Floats], champion: str) -> dict[str, Any]:
    """Every curve of every candidate; see CURVES in ``ml.evaluate.evidence_schema``."""
    totals = {
        name: ThresholdTotals.of(rows.churned, probability) for name, probability in probabilities.items()
    }
    return {
        "roc": {name: roc(totals[name]) for name in totals},
        "precision_recall": {name: precision_recall(totals[name]) for name in totals},
        "reliability": {name: reliability(rows, probabilities[name]) for name in totals},
        "gain": {name: gain(totals[name]) for name in totals},
        "lift": {name: lift(totals[name]) for name in totals},
        "profit": profit_points(rows, probabilities[champion]),
    }


def roc(totals: ThresholdTotals) -> Points:
    """Recall against the share of stayers flagged."""
    misses = totals.flagged - totals.hits
    return points(false_alarms=from_zero(misses / misses[-1]), recall=from_zero(totals.recall))


def precision_recall(totals: ThresholdTotals) -> Points:
    return points(recall=totals.recall, precision=totals.precision)


def gain(totals: ThresholdTotals) -> Points:
    """Recall against the share flagged; a tie is one straight step."""
    return points(listed=from_zero(totals.share), found=from_zero(totals.recall))


def lift(totals: ThresholdTotals) -> Points:
    """Churn rate of the flagged over that of all."""
    return points(listed=totals.share, lift=totals.recall / totals.share)


def reliability(rows: Rows, probability: Floats, groups: int = GROUPS) -> Points:
    """Mean probability and churn rate in groups of about equal size, with the rate's interval by customer."""
    _, codes, sizes = np.unique(probability, return_inverse=True, return_counts=True)
    group = group_levels(sizes, groups)[codes]
    member = group[:, None] == np.arange(group.max() + 1)
    sums, replicates = rows.sums(
        np.column_stack([member, member * rows.churned[:, None], member * probability[:, None]]).astype(float)
    )
    size, churned, predicted = np.split(sums, 3)
    sizes_drawn, churned_drawn, _ = np.split(replicates, 3, axis=1)
    rates = np.divide(
        churned_drawn, sizes_drawn, out=np.full_like(sizes_drawn, np.nan), where=sizes_drawn > 0
    )
    low, high = np.nanquantile(rates, (0.025, 0.975), axis=0)
    return {
        "said": (predicted / size).tolist(),
        "seen": (churned / size).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "rows": size.astype(int).tolist(),
    }


def group_levels(sizes: NDArray[np.intp], groups: int) -> NDArray[np.intp]:
    """The group of each distinct probability: no tie is divided, no group has less than half its target."""
    target = sizes.sum() / groups
    levels, group, rows = np.zeros(len(sizes), dtype=np.intp), 0, 0
    for level, size in enumerate(sizes):
        if rows >= target / 2 and rows + size / 2 > target:
            group, rows = group + 1, 0
        levels[level] = group
        rows += size
    if group and rows < target / 2:
        levels[levels == group] = group - 1
    return levels


def profit_points(rows: Rows, probability: Floats) -> Points:
    """Profit of contacting everyone from each threshold on, all rows together, with its interval."""
    totals = ThresholdTotals.of(rows.churned, probability)
    shown = spread_points(len(totals.thresholds))
    costs = rows.problem.costs
    order = np.argsort(-probability, kind="stable")
    ends = totals.flagged[shown].astype(int) - 1
    replicates = []
    for weights in rows.weights():
        ordered = weights[:, order]
        hits = np.cumsum(ordered * rows.churned[order], axis=1)[:, ends]
        replicates.append(profit(hits, np.cumsum(ordered, axis=1)[:, ends], costs))
    low, high = np.quantile(np.concatenate(replicates), (0.025, 0.975), axis=0)
    return {
        "threshold": totals.thresholds[shown].tolist(),
        "listed": totals.share[shown].tolist(),
        "profit": profit(totals.hits[shown], totals.flagged[shown], costs).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def points(**columns: Floats) -> Points:
    """At most MOST_POINTS of the points, ends included."""
    shown = spread_points(len(next(iter(columns.values()))))
    return {name: values[shown].tolist() for name, values in columns.items()}


def spread_points(number: int) -> Any:
    """Indices of at most MOST_POINTS evenly spread points."""
    if number <= MOST_POINTS:
        return np.arange(number)
    return np.unique(np.linspace(0, number - 1, MOST_POINTS).round().astype(int))


def from_zero(values: Floats) -> Floats:
    """The same curve from the origin on."""
    return np.append(0.0, values)
