"""A bet against "the risk is no higher than the reference": losses come in, the bettor's wealth goes out.

Under that hypothesis the wealth is a supermartingale, so by Ville's inequality it ever reaches 1/alpha with
probability alpha at most, however often one looks (Waudby-Smith & Ramdas, Estimating means of bounded random
variables by betting, 2024; of a deployed model: Podkopaev & Ramdas, Tracking the risk of a deployed model,
2022).
"""

import numpy as np

from ml.common.array_types import Floats

STAKE_MAX = 0.5  # of what a loss of 0 would leave; the bettor never goes broke
GRID = 201


def log_wealth(losses: Floats, limit: float) -> Floats:
    """The logarithm of the wealth after each loss, from 0 on.

    The stake is that of ``aGRAPA`` in the paper: from the mean and variance of the losses before.

    Parameters
    ----------
    losses : array of shape (rows,)
        Each from 0 to 1, in an order that does not depend on them; given the rows before, the mean of each is
        at most ``limit`` if the hypothesis holds.
    limit : float
        Above 0 and below 1.
    """
    if not len(losses):
        return np.empty(0)
    count = np.arange(1, len(losses) + 1)
    mean = (0.5 * min(1.0, 2 * limit) + np.cumsum(losses)) / (count + 1)
    spread = (0.25 * limit + np.cumsum((losses - mean) ** 2)) / (count + 1)
    mean, spread = np.concatenate([[limit], mean[:-1]]), np.concatenate([[0.25], spread[:-1]])
    excess = mean - limit
    stake = np.clip(excess / np.maximum(spread + excess**2, 1e-12), 0.0, STAKE_MAX / limit)
    wealth: Floats = np.cumsum(np.log1p(stake * (losses - limit)))
    return wealth


def risk_at_least(losses: Floats, alpha: float) -> float:
    """The lower end of a confidence sequence of the mean loss: valid at every look at once, at 1 - alpha."""
    if not len(losses):
        return 0.0
    limits = np.linspace(0, 1, GRID)[1:-1]
    refuted = [limit for limit in limits if log_wealth(losses, limit).max() >= np.log(1 / alpha)]
    return float(max(refuted, default=0.0))
