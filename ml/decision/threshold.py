"""The threshold: the probability from which a customer is flagged, by the problem's rule.

All rules use rows that neither fitted nor chose the model. Each distinct probability is a possible threshold.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.config.problem import Problem
from ml.decision.contact_profit import profit
from ml.decision.threshold_totals import ThresholdTotals

TOLERANCE = 1e-12  # of shares, so that rounding errors do not decide at the edge
FLAG_NO_ONE = 1.0


def choose_threshold(
    churned: Floats, probability: Floats, problem: Problem, population: float | None = None
) -> tuple[float, bool]:
    """The threshold, and whether it meets the rule.

    ``recall_at_least`` takes the highest threshold with that recall; ``precision_at_least`` the lowest with
    that precision, or else the one with the greatest; ``f_beta`` the one with the greatest F-beta;
    ``capacity`` the lowest that flags no more than the capacity, or else the highest; ``profit`` the most
    profitable one that flags no more than the capacity, or 1, which flags no one, where none is profitable;
    ``fixed`` its own value.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1, both present.
    probability : array of shape (rows,)
    problem : Problem
        Its ``threshold``, and for the rules ``capacity`` and ``profit`` its capacity and costs.
    population : float, optional
        Customers scored at one time, of whom the capacity is a share; required by rules with a capacity.
    """
    rule, value = problem.threshold.rule, float(problem.threshold.value or 0)
    if rule == "fixed":
        return value, True
    totals = ThresholdTotals.of(churned, probability)
    if rule in BY_VALUE:
        index, met = BY_VALUE[rule](totals, value)
        return float(totals.thresholds[index]), met
    possible = totals.share <= contact_share(problem, population) + TOLERANCE
    if rule == "capacity":
        return float(totals.thresholds[max(int(possible.sum()) - 1, 0)]), bool(possible[0])
    return by_profit(totals, possible, problem)


def unmet_rule(rule: str) -> str:
    """What was done where ``choose_threshold`` says that no threshold meets the rule."""
    if rule == "profit":
        return "no threshold earns anything on the calibration rows, so no one is listed"
    return "no threshold meets the rule on the calibration rows; the nearest one was taken"


def contact_share(problem: Problem, population: float | None) -> float:
    """The share of the population that can be contacted until the next scoring; 1 without a capacity."""
    if problem.contacts is None:
        return 1.0
    if population is None:
        raise ValueError("a capacity needs the population it is a share of")
    return problem.contacts / population


def by_recall(totals: ThresholdTotals, least: float) -> tuple[int, bool]:
    """The highest threshold with enough recall."""
    return int(np.argmax(totals.recall >= least - TOLERANCE)), True


def by_precision(totals: ThresholdTotals, least: float) -> tuple[int, bool]:
    """The lowest threshold with enough precision, or the one with the greatest."""
    good = np.flatnonzero(totals.precision >= least - TOLERANCE)
    return int(good[-1] if len(good) else np.argmax(totals.precision)), bool(len(good))


def by_f_beta(totals: ThresholdTotals, beta: float) -> tuple[int, bool]:
    """The threshold with the greatest F-beta; recall weighs ``beta`` times as much as precision."""
    return int(np.argmax((1 + beta**2) * totals.hits / (beta**2 * totals.hits[-1] + totals.flagged))), True


BY_VALUE: dict[str, Callable[[ThresholdTotals, float], tuple[int, bool]]] = {
    "recall_at_least": by_recall,
    "precision_at_least": by_precision,
    "f_beta": by_f_beta,
}


def by_profit(totals: ThresholdTotals, possible: NDArray[np.bool_], problem: Problem) -> tuple[float, bool]:
    """The most profitable threshold; of equals the highest."""
    earned = np.where(possible, profit(totals.hits, totals.flagged, problem.costs), 0.0)
    index = int(np.argmax(earned))
    return (float(totals.thresholds[index]), True) if earned[index] > 0 else (FLAG_NO_ONE, False)
