"""Whether a count of the last days fits the customer's own past.

Under an unchanged Poisson rhythm the events of the last ``days`` and those of the days before them are split
by chance alone: given ``n`` in both, the count of the last days is binomial (Przyborowski and Wilenski,
1940), whatever the customer's rate. Two things are learned from all customers: the *level*, by which
everyone's counts moved (a season), and how much more than by chance counts vary, which makes it
beta-binomial. Next: ``changed_customers``.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import betabinom

from ml.common.array_types import Flags, Floats

# Log of the precision of the beta: from counts that say next to nothing to counts that vary by chance alone.
LOG_PRECISION = (0.0, 12.0)


@dataclass(frozen=True)
class Counts:
    """The events of one stream around one instant, an entry for each customer.

    Parameters
    ----------
    recent : array of shape (customers,)
        Events in the last ``days``.
    past : array of shape (customers,)
        Events in ``past_days`` before them.
    past_days : array of shape (customers,)
    days : int
    """

    recent: Floats
    past: Floats
    past_days: Floats
    days: int

    def take(self, rows: Flags) -> "Counts":
        return Counts(self.recent[rows], self.past[rows], self.past_days[rows], self.days)

    @property
    def usual(self) -> Floats:
        """Events in so many days at the rate of the past."""
        return self.past * self.days / self.past_days

    def level(self) -> float:
        """Recent events of everyone as a multiple of the usual ones."""
        return float(self.recent.sum() / max(self.usual.sum(), 1e-9))


@dataclass(frozen=True)
class Usual:
    """How counts of customers whose rhythm did not change differ from their past.

    Parameters
    ----------
    level : float
        The multiple of the usual count that is expected.
    precision : float
        Of the beta distribution of the share of recent events; the greater, the nearer to chance alone.
    """

    level: float
    precision: float

    def expected(self, counts: Counts) -> Floats:
        return self.level * counts.usual

    def p_values(self, counts: Counts) -> Floats:
        """Two-sided: twice the smaller tail, at most 1."""
        total = counts.recent + counts.past
        share = share_recent(counts, self.level)
        alpha, beta = share * self.precision, (1 - share) * self.precision
        low = betabinom.cdf(counts.recent, total, alpha, beta)
        # As many or more recent events are as few or fewer past ones; 1 - cdf would lose small tails.
        high = betabinom.cdf(counts.past, total, beta, alpha)
        return np.clip(2 * np.minimum(low, high), 0.0, 1.0)


def share_recent(counts: Counts, level: float) -> Floats:
    """The share of a customer's events that is expected among the recent ones."""
    share: Floats = level * counts.days / (level * counts.days + counts.past_days)
    return share


def learn_usual(now: Counts, before: Counts, came_again: Flags) -> Usual:
    """The level now, and the precision, from the same counts one window earlier.

    Many customers leave in any window, and would pass as a low level and as variation. Those who came again
    afterwards had not left: they show how counts vary, and how much of the level before was due to leaving.
    The level now is corrected by the same factor.

    Parameters
    ----------
    before : Counts
        As ``now``, ``days`` earlier.
    came_again : array of shape (customers of ``before``,)
        Whether the customer had an event in the ``days`` after.
    """
    stayed = before.take(came_again)
    level = stayed.level()
    precision = fit_precision(stayed, level)
    return Usual(now.level() * level / max(before.level(), 1e-9), precision)


def fit_precision(counts: Counts, level: float) -> float:
    """Maximum likelihood of the beta-binomial, given the level."""
    share, total = share_recent(counts, level), counts.recent + counts.past

    def loss(log_precision: float) -> float:
        precision = np.exp(log_precision)
        logs = betabinom.logpmf(counts.recent, total, share * precision, (1 - share) * precision)
        return -float(logs.sum())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_PRECISION, method="bounded").x))


def adjusted(p_values: Floats) -> Floats:
    """Benjamini and Hochberg's (1995) adjusted p-values.

    Of those at or below ``q`` a share of at most ``q`` is expected to be false alarms.
    """
    tests = len(p_values)
    order = np.argsort(-p_values, kind="stable")
    ranks = np.arange(tests, 0, -1)
    running = np.minimum.accumulate(p_values[order] * tests / ranks)
    result = np.empty(tests)
    result[order] = np.minimum(running, 1.0)
    return result
