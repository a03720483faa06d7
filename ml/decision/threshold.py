"""The probability from which a customer counts as churning, by the rule the problem states.

All rules look at rows that neither fitted nor chose the model. One list closes at each distinct probability.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.config.problem import Problem
from ml.decision.lists import Lists
from ml.decision.profit import profit

HARDLY = 1e-12
NOBODY = 1.0


def choose_threshold(
    churned: Floats, probability: Floats, problem: Problem, population: float | None = None
) -> tuple[float, bool]:
    """The threshold, and whether what the rule asks for could be met.

    ``recall_at_least`` takes the highest that finds enough churners; ``precision_at_least`` the lowest that
    is right often enough, or else the one right most often; ``f_beta`` the one with the greatest F-beta;
    ``capacity`` the lowest whose list can be contacted, or else that of the shortest list; ``profit`` the one
    that earns most of those whose list can be contacted, or 1, which lists nobody, when none earns anything;
    ``fixed`` its own value.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1, both there.
    probability : array of shape (rows,)
    problem : Problem
        Its ``threshold``, and for the rules ``capacity`` and ``profit`` its capacity and costs.
    population : float, optional
        Customers scored at one time: what share of them the capacity is. Needed where one bounds the list.
    """
    rule, value = problem.threshold.rule, float(problem.threshold.value or 0)
    if rule == "fixed":
        return value, True
    lists = Lists.of(churned, probability)
    if rule in BY_VALUE:
        place, met = BY_VALUE[rule](lists, value)
        return float(lists.levels[place]), met
    possible = lists.share <= share_possible(problem, population) + HARDLY
    if rule == "capacity":
        return float(lists.levels[max(int(possible.sum()) - 1, 0)]), bool(possible[0])
    return by_profit(lists, possible, problem)


def share_possible(problem: Problem, population: float | None) -> float:
    """The share of the population that can be contacted from one scoring to the next; all without a limit."""
    if problem.contacts is None:
        return 1.0
    if population is None:
        raise ValueError("a capacity needs the population it is a share of")
    return problem.contacts / population


def by_recall(lists: Lists, least: float) -> tuple[int, bool]:
    """The shortest list that finds enough."""
    return int(np.argmax(lists.recall >= least - HARDLY)), True


def by_precision(lists: Lists, least: float) -> tuple[int, bool]:
    """The longest list that is right often enough, or the one that is right most often."""
    good = np.flatnonzero(lists.precision >= least - HARDLY)
    return int(good[-1] if len(good) else np.argmax(lists.precision)), bool(len(good))


def by_f_beta(lists: Lists, beta: float) -> tuple[int, bool]:
    """The list with the greatest F-beta; recall weighs ``beta`` times as much as precision."""
    return int(np.argmax((1 + beta**2) * lists.hits / (beta**2 * lists.hits[-1] + lists.listed))), True


BY_VALUE: dict[str, Callable[[Lists, float], tuple[int, bool]]] = {
    "recall_at_least": by_recall,
    "precision_at_least": by_precision,
    "f_beta": by_f_beta,
}


def by_profit(lists: Lists, possible: NDArray[np.bool_], problem: Problem) -> tuple[float, bool]:
    """The threshold of the list that earns most; of equals the shortest."""
    earned = np.where(possible, profit(lists.hits, lists.listed, problem.costs), 0.0)
    place = int(np.argmax(earned))
    return (float(lists.levels[place]), True) if earned[place] > 0 else (NOBODY, False)
