"""What contacting a list of customers earns, and from which probability on a contact pays.

Of contacted churners the share ``take_up`` takes the offer and stays, which earns ``value_kept - offer``;
each contact costs ``contact``; a contacted customer who would have stayed takes the offer as well, for
nothing (Neslin et al., 2006; Verbraken et al., 2013). Nobody contacted earns nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.config.problem import Costs
from ml.decision.lists import Lists


def gain(costs: Costs) -> float:
    """What contacting one churner earns on average."""
    return costs.take_up * (costs.value_kept - costs.offer) - costs.contact


def loss(costs: Costs) -> float:
    """What contacting one customer who would have stayed costs."""
    return costs.offer + costs.contact


def break_even(costs: Costs) -> float:
    """The churn probability from which a contact pays: its gains and losses are equal there (Elkan, 2001).

    Infinite where not even a sure churner pays.
    """
    return loss(costs) / (gain(costs) + loss(costs)) if gain(costs) > 0 else float("inf")


def profit(hits: Floats, listed: Floats, costs: Costs) -> Floats:
    """What lists of so many churners among so many customers earn, same shape."""
    return gain(costs) * hits - loss(costs) * (listed - hits)


def profit_of(churned: Floats, contacted: NDArray[np.bool_], costs: Costs) -> float:
    """What contacting these customers earns in all."""
    hits, listed = float(churned[contacted].sum()), int(contacted.sum())
    return gain(costs) * hits - loss(costs) * (listed - hits)


def shortfalls(earned: float, everyone: float) -> list[str]:
    """Sentences on the simple policies, everyone contacted and no one, that earn more than a list."""
    found = []
    if everyone > max(earned, 0.0):
        found.append(f"contacting everyone would earn more: {everyone:,.0f} against {earned:,.0f}")
    if earned < 0.0:
        found.append(f"contacting no one would earn more: the list loses {-earned:,.0f}")
    return found


@dataclass(frozen=True)
class ProfitCurve:
    """Profit against threshold; the first point is nobody contacted.

    Parameters
    ----------
    levels : array of shape (lists + 1,)
        Thresholds, falling from infinity.
    share : array of the same shape
        Share of customers contacted.
    per_customer : array of the same shape
        Profit divided by all customers, contacted or not.
    """

    levels: Floats
    share: Floats
    per_customer: Floats

    @property
    def best(self) -> int:
        """Where it is greatest; of equals the shortest list."""
        return int(np.argmax(self.per_customer))


def profit_curve(churned: Floats, probability: Floats, costs: Costs) -> ProfitCurve:
    """What every threshold earns on these rows.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1.
    probability : array of shape (rows,)
    costs : Costs
    """
    lists = Lists.of(churned, probability)
    earned = profit(lists.hits, lists.listed, costs) / len(churned)
    return ProfitCurve(np.append(np.inf, lists.levels), np.append(0.0, lists.share), np.append(0.0, earned))


def profit_by_costs(lists: Lists, costs: Costs) -> Floats:
    """Profit per customer when all are contacted from the break-even probability on, for each row of weights.

    It takes the probabilities at their word, so that wrong ones lose money: a list too long, or too short.
    """
    last = int(np.count_nonzero(lists.levels >= break_even(costs))) - 1
    if last < 0:
        return np.zeros(lists.hits.shape[:-1])
    return profit(lists.hits[..., last], lists.listed[..., last], costs) / lists.listed[..., -1]
