"""The sums of the overview: customers, predictions and flags by band, and the distribution of the scores."""

import math
from dataclasses import dataclass
from functools import lru_cache

from ml.config.problem import REGRESSION, Problem
from ml.decision.customers_to_contact import BY_CAPACITY
from ml.serve.scored_file import ScoredFile
from ml.serve.served_state import Served

BINS = 25
BY_BAND = """
select band, count(*), total(prediction), total(decision), max(prediction)
from scores where is_eligible = 1 group by band
"""
BY_BIN = """
select min(cast(prediction / ? as integer), ?) as bin, count(*)
from scores where is_eligible = 1 group by bin
"""


@dataclass(frozen=True)
class PopulationTotals:
    """Sums over the population of one state.

    Parameters
    ----------
    customers, outside : int
        Customers in the population; those known, but outside it.
    predictions : float
        The sum of the probabilities, that is the expected number of leavers; or of the amounts.
    flagged : int
    by_band : dict
        Band to customers.
    edges, counts : tuple
        The distribution: the ends of the columns, and the customers in each.
    """

    customers: int
    outside: int
    predictions: float
    flagged: int
    by_band: dict[str, int]
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def population_totals(served: Served) -> PopulationTotals:
    """The totals of a state, computed once."""
    return totals_of_file(served.scored, served.model.problem.task == REGRESSION)


# Two states are alive while a newer one is taken over.
@lru_cache(maxsize=2)
def totals_of_file(scored: ScoredFile, is_regression: bool) -> PopulationTotals:
    rows = scored.query(BY_BAND)
    ((outside,),) = scored.query("select count(*) from scores where is_eligible = 0")
    most = (max((row[4] for row in rows), default=0.0) or 1.0) if is_regression else 1.0
    width = most / BINS
    counts = dict(scored.query(BY_BIN, [width, BINS - 1]))
    return PopulationTotals(
        customers=sum(row[1] for row in rows),
        outside=outside,
        predictions=sum(row[2] for row in rows),
        flagged=int(sum(row[3] for row in rows)),
        by_band={row[0]: row[1] for row in rows if row[0]},
        edges=tuple(width * number for number in range(BINS + 1)),
        counts=tuple(counts.get(number, 0) for number in range(BINS)),
    )


def usual_capacity(problem: Problem, totals: PopulationTotals) -> int:
    """As many customers as ``churn score --actions`` would contact; of amounts a tenth."""
    if problem.task == REGRESSION:
        return max(1, totals.customers // 10)
    if problem.threshold.rule not in BY_CAPACITY or problem.contacts is None:
        return totals.flagged
    capacity = math.floor(problem.contacts)
    return capacity if problem.threshold.rule == "capacity" else min(capacity, totals.flagged)
