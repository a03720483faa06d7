"""The maximum profit measures of the churn literature (Verbraken, Verbeke and Baesens, 2013).

What a threshold's list earns depends on the share of contacted churners who take the offer. MPC is the profit
per customer of the best list when that share is known; EMPC its expectation when the share is drawn from a
beta distribution and the best list is taken for each draw.

Only the lists on the convex hull of the ROC curve are ever best, and each from its own share on. So EMPC is a
sum over the hull's pieces of what a piece earns while it is on the list, in closed form.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import betaincc

from ml.common.arrays import Floats
from ml.config.problem import Costs
from ml.decision.lists import Lists
from ml.decision.profit import profit_curve


@dataclass(frozen=True)
class Campaign:
    """What the measures assume; the defaults are those of the paper.

    Parameters
    ----------
    alpha, beta : float
        Of the beta distribution of the share of contacted churners who take the offer; its mean is 0.3.
    value_kept : float
        Worth of a churner who is kept (CLV).
    offer : float
        Cost of the offer (d).
    contact : float
        Cost of a contact (f).
    """

    alpha: float = 6.0
    beta: float = 14.0
    value_kept: float = 200.0
    offer: float = 10.0
    contact: float = 1.0

    @property
    def costs(self) -> Costs:
        """The costs with the mean share."""
        take_up = self.alpha / (self.alpha + self.beta)
        return Costs(self.contact, self.offer, self.value_kept, take_up)


PUBLISHED = Campaign()


def mpc(churned: Floats, probability: Floats, campaign: Campaign = PUBLISHED) -> tuple[float, float]:
    """Greatest profit per customer at the mean share, and the share of customers to contact for it."""
    curve = profit_curve(churned, probability, campaign.costs)
    return float(curve.per_customer[curve.best]), float(curve.share[curve.best])


def empc(churned: Floats, probability: Floats, campaign: Campaign = PUBLISHED) -> tuple[float, float]:
    """Expected greatest profit per customer, and the expected share of customers to contact for it.

    Parameters
    ----------
    churned : array of shape (rows,)
        0 or 1, both there.
    probability : array of shape (rows,)
        Only its order matters.
    """
    lists = Lists.of(churned, probability)
    return expected(*pieces(lists.hits, lists.listed), campaign)


def empc_of(lists: Lists, campaign: Campaign = PUBLISHED) -> Floats:
    """EMPC for each row of weights, shape (replicates,)."""
    rows = zip(lists.hits, lists.listed, strict=True)
    return np.array([expected(*pieces(hits, listed), campaign)[0] for hits, listed in rows])


def pieces(hits: Floats, listed: Floats) -> tuple[Floats, Floats]:
    """Churners and customers of each piece of the hull, the piece with the highest churn rate first.

    The hull's slopes are the falling regression of the churn rate on the rank.
    """
    churners, customers = np.diff(hits, prepend=0.0), np.diff(listed, prepend=0.0)
    there = customers > 0
    churners, customers = churners[there], customers[there]
    found = isotonic_regression(churners / customers, weights=customers, increasing=False)
    starts = found.blocks[:-1]
    return np.add.reduceat(churners, starts), np.add.reduceat(customers, starts)


def expected(churners: Floats, customers: Floats, campaign: Campaign) -> tuple[float, float]:
    """Profit per customer and share contacted, in expectation over the share that takes the offer.

    A piece is contacted when ``take_up * worth >= cost``: from the share ``cost / worth`` on.
    """
    cost = campaign.contact * customers + campaign.offer * (customers - churners)
    worth = (campaign.value_kept - campaign.offer) * churners
    begins = np.divide(cost, worth, out=np.ones_like(cost), where=worth > 0).clip(0.0, 1.0)
    chance = betaincc(campaign.alpha, campaign.beta, begins)
    mean = campaign.alpha / (campaign.alpha + campaign.beta)
    mean_above = mean * betaincc(campaign.alpha + 1, campaign.beta, begins)
    all_customers = customers.sum()
    return (
        float((worth * mean_above - cost * chance).sum() / all_customers),
        float((customers * chance).sum() / all_customers),
    )
