"""The expected maximum profit of the churn literature, EMPC (Verbraken, Verbeke and Baesens, 2013).

What flagged customers earn depends on the share of contacted churners who take the offer. EMPC is the profit
per customer in expectation over that share, which is drawn from a beta distribution, with the best threshold
for each draw.

Only thresholds on the convex hull of the ROC curve are ever best, each from a share of its own on. So EMPC is
the sum over the hull's segments of what a segment earns while it is flagged, in closed form.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import betaincc

from ml.common.array_types import Floats
from ml.decision.threshold_totals import ThresholdTotals


@dataclass(frozen=True)
class Campaign:
    """The assumptions of the measure; the defaults are those of the paper.

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


PUBLISHED = Campaign()


def empc(totals: ThresholdTotals, campaign: Campaign = PUBLISHED) -> Floats:
    """EMPC for each row of weights, shape (replicates,)."""
    rows = zip(totals.hits, totals.flagged, strict=True)
    return np.array([expected_profit(*hull_segments(hits, flagged), campaign) for hits, flagged in rows])


def hull_segments(hits: Floats, flagged: Floats) -> tuple[Floats, Floats]:
    """Churners and customers of each segment of the hull, the segment with the highest churn rate first.

    The hull's slopes are the falling regression of the churn rate on the rank.
    """
    churners, customers = np.diff(hits, prepend=0.0), np.diff(flagged, prepend=0.0)
    weighted = customers > 0
    churners, customers = churners[weighted], customers[weighted]
    pools = isotonic_regression(churners / customers, weights=customers, increasing=False)
    starts = pools.blocks[:-1]
    return np.add.reduceat(churners, starts), np.add.reduceat(customers, starts)


def expected_profit(churners: Floats, customers: Floats, campaign: Campaign) -> float:
    """Profit per customer, in expectation over the share that takes the offer.

    A segment is contacted when ``take_up * worth >= cost``: from the share ``cost / worth`` on.
    """
    cost = campaign.contact * customers + campaign.offer * (customers - churners)
    worth = (campaign.value_kept - campaign.offer) * churners
    least_share = np.divide(cost, worth, out=np.ones_like(cost), where=worth > 0).clip(0.0, 1.0)
    contacted = betaincc(campaign.alpha, campaign.beta, least_share)
    mean = campaign.alpha / (campaign.alpha + campaign.beta)
    mean_above = mean * betaincc(campaign.alpha + 1, campaign.beta, least_share)
    return float((worth * mean_above - cost * contacted).sum() / customers.sum())
