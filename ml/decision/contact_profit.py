"""The profit of contacting customers, and from which probability on a contact pays.

Of contacted churners the share ``take_up`` takes the offer and stays, which earns ``value_kept - offer``;
each contact costs ``contact``; a contacted customer who would have stayed takes the offer as well, for
nothing (Neslin et al., 2006; Verbraken et al., 2013). Without contacts the profit is 0.
"""

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.config.problem import Costs
from ml.decision.threshold_totals import ThresholdTotals


def gain(costs: Costs) -> float:
    """Mean profit of contacting one churner."""
    return costs.take_up * (costs.value_kept - costs.offer) - costs.contact


def loss(costs: Costs) -> float:
    """Cost of contacting one customer who would have stayed."""
    return costs.offer + costs.contact


def break_even(costs: Costs) -> float:
    """The churn probability from which a contact pays (Elkan, 2001); infinite where it never does."""
    return loss(costs) / (gain(costs) + loss(costs)) if gain(costs) > 0 else float("inf")


def profit(hits: Floats, flagged: Floats, costs: Costs) -> Floats:
    """Profit of ``flagged`` customers with ``hits`` churners among them, same shape."""
    return gain(costs) * hits - loss(costs) * (flagged - hits)


def profit_of(churned: Floats, contacted: NDArray[np.bool_], costs: Costs) -> float:
    """Profit of contacting these customers."""
    hits, flagged = float(churned[contacted].sum()), int(contacted.sum())
    return gain(costs) * hits - loss(costs) * (flagged - hits)


def shortfalls(earned: float, everyone: float) -> list[str]:
    """Sentences on the simple policies, to contact everyone or no one, that earn more than the threshold."""
    sentences = []
    if everyone > max(earned, 0.0):
        sentences.append(f"contacting everyone would earn more: {everyone:,.0f} against {earned:,.0f}")
    if earned < 0.0:
        sentences.append(f"contacting no one would earn more: the list loses {-earned:,.0f}")
    return sentences


def profit_by_costs(totals: ThresholdTotals, costs: Costs) -> Floats:
    """Profit per customer when all are contacted from the break-even probability on, for each row of weights.

    Badly calibrated probabilities lose money: they flag too many customers, or too few.
    """
    last = int(np.count_nonzero(totals.thresholds >= break_even(costs))) - 1
    if last < 0:
        return np.zeros(totals.hits.shape[:-1])
    return profit(totals.hits[..., last], totals.flagged[..., last], costs) / totals.flagged[..., -1]
