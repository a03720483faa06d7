"""What can be drawn of held-out probabilities: points of curves, few enough for a page."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.decision.profit import profit
from ml.decision.threshold_totals import ThresholdTotals
from ml.evaluate.measured import Rows

MOST_POINTS = 200
GROUPS = 15
Points = dict[str, list[float]]


def curves(rows: Rows, probabilities: Mapping[str, Floats], champion: str) -> dict[str, Any]:
    """Every curve of every candidate; see CURVES in ``ml.evaluate.evidence``."""
    totals = {name: ThresholdTotals.of(rows.churned, given) for name, given in probabilities.items()}
    return {
        "roc": {name: roc(each) for name, each in totals.items()},
        "precision_recall": {name: precision_recall(each) for name, each in totals.items()},
        "reliability": {name: reliability(rows, given) for name, given in probabilities.items()},
        "gain": {name: gain(each) for name, each in totals.items()},
        "lift": {name: lift(each) for name, each in totals.items()},
        "profit": profit_points(rows, probabilities[champion]),
    }


def roc(totals: ThresholdTotals) -> Points:
    """Recall against the share of stayers listed."""
    misses = totals.flagged - totals.hits
    return points(false_alarms=from_zero(misses / misses[-1]), recall=from_zero(totals.recall))


def precision_recall(totals: ThresholdTotals) -> Points:
    """Precision against recall."""
    return points(recall=totals.recall, precision=totals.precision)


def gain(totals: ThresholdTotals) -> Points:
    """Share of churners found against share listed; a tie is one straight step."""
    return points(flagged=from_zero(totals.share), found=from_zero(totals.recall))


def lift(totals: ThresholdTotals) -> Points:
    """Churn rate of the list over that of all."""
    return points(flagged=totals.share, lift=totals.recall / totals.share)


def reliability(rows: Rows, probability: Floats, groups: int = GROUPS) -> Points:
    """Mean probability and churn rate in groups of about equal size, with the rate's interval by customer."""
    _, codes, sizes = np.unique(probability, return_inverse=True, return_counts=True)
    group = group_levels(sizes, groups)[codes]
    member = group[:, None] == np.arange(group.max() + 1)
    ones, drawn = rows.sums(
        np.column_stack([member, member * rows.churned[:, None], member * probability[:, None]]).astype(float)
    )
    size, churned, said = np.split(ones, 3)
    drawn_size, drawn_churned, _ = np.split(drawn, 3, axis=1)
    rates = np.divide(drawn_churned, drawn_size, out=np.full_like(drawn_size, np.nan), where=drawn_size > 0)
    low, high = np.nanquantile(rates, (0.025, 0.975), axis=0)
    return {
        "said": (said / size).tolist(),
        "seen": (churned / size).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "rows": size.astype(int).tolist(),
    }


def group_levels(sizes: NDArray[np.intp], groups: int) -> NDArray[np.intp]:
    """The group of each level of probability: ties stay together, no group is much too small."""
    wanted = sizes.sum() / groups
    found, group, held = np.zeros(len(sizes), dtype=np.intp), 0, 0
    for place, size in enumerate(sizes):
        if held >= wanted / 2 and held + size / 2 > wanted:
            group, held = group + 1, 0
        found[place] = group
        held += size
    if group and held < wanted / 2:
        found[found == group] = group - 1
    return found


def profit_points(rows: Rows, probability: Floats) -> Points:
    """What contacting everyone from each threshold on earns, all rows together, with its interval."""
    totals = ThresholdTotals.of(rows.churned, probability)
    kept = thinned(len(totals.thresholds))
    costs, levels = rows.problem.costs, totals.thresholds[kept]
    order = np.argsort(-probability, kind="stable")
    ends = totals.flagged[kept].astype(int) - 1
    drawn = np.concatenate([drawn_profit(rows, weights, order, ends) for weights in rows.weights()])
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return {
        "threshold": levels.tolist(),
        "listed": totals.share[kept].tolist(),
        "profit": profit(totals.hits[kept], totals.flagged[kept], costs).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def drawn_profit(rows: Rows, weights: Floats, order: Any, ends: Any) -> Floats:
    """Profit of the lists that end at ``ends`` in each replicate."""
    ordered = weights[:, order]
    hits = np.cumsum(ordered * rows.churned[order], axis=1)[:, ends]
    return profit(hits, np.cumsum(ordered, axis=1)[:, ends], rows.problem.costs)


def points(**columns: Floats) -> Points:
    """At most MOST_POINTS of the points, ends included."""
    kept = thinned(len(next(iter(columns.values()))))
    return {name: values[kept].tolist() for name, values in columns.items()}


def thinned(number: int) -> Any:
    """Places of evenly spread points."""
    if number <= MOST_POINTS:
        return np.arange(number)
    return np.unique(np.linspace(0, number - 1, MOST_POINTS).round().astype(int))


def from_zero(values: Floats) -> Floats:
    """The same curve from the origin on."""
    return np.append(0.0, values)
