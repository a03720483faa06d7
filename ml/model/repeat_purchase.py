"""Will they buy again? BG/NBD and its kin: how often, how lately and for how long say how likely.

A customer buys at a rate of their own and may leave for good after each purchase with a chance of their own;
rates follow a gamma, chances a beta distribution (Fader, Hardie and Lee, 2005). In the modified model one may
leave right after the first purchase as well (Batislam, Denizel and Filiztekin, 2007). All four parameters
come from scipy's maximum likelihood; what they say of one customer is a closed formula.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.common.arrays import Floats
from ml.model.probability import SURE, both_sides, log_losses, log_odds

ROWS_TO_FIT = 5_000
LONGEST = 10.0
WIDEST = 8.0


@dataclass(frozen=True)
class Habits:
    """The four parameters.

    Parameters
    ----------
    r, alpha : float
        Shape, and rate in days, of the gamma distribution of purchases a day.
    a, b : float
        The beta distribution of the chance to leave after a purchase.
    """

    r: float
    alpha: float
    a: float
    b: float


@dataclass(frozen=True)
class Histories:
    """What is known of each customer, in any one unit of time.

    Parameters
    ----------
    repeats : array of shape (customers,)
        Purchases after the first.
    last : array of shape (customers,)
        From the first purchase to the last.
    age : array of shape (customers,)
        From the first purchase to now.
    """

    repeats: Floats
    last: Floats
    age: Floats

    def take(self, rows: Any) -> "Histories":
        return Histories(self.repeats[rows], self.last[rows], self.age[rows])

    def scaled(self, factor: float) -> "Histories":
        """The same in another unit of time."""
        return Histories(self.repeats, self.last * factor, self.age * factor)


def log_likelihood(habits: Habits, seen: Histories, at_once: bool) -> Floats:
    """Of each history; the unit of time is that of ``alpha``.

    Parameters
    ----------
    at_once : bool
        One may leave right after the first purchase: the modified model.
    """
    chances = seen.repeats + at_once
    common = (
        gammaln(habits.r + seen.repeats)
        - gammaln(habits.r)
        + habits.r * np.log(habits.alpha)
        + betaln(habits.a, habits.b + chances)
        - betaln(habits.a, habits.b)
        - (habits.r + seen.repeats) * np.log(habits.alpha + seen.age)
    )
    return common + np.logaddexp(0.0, log_odds_gone(habits, seen, at_once))


def log_odds_gone(habits: Habits, seen: Histories, at_once: bool) -> Floats:
    """Log-odds that the customer has left, given the history."""
    drawn = np.maximum(habits.b + seen.repeats + at_once - 1, SURE)
    silent = np.log(habits.alpha + seen.age) - np.log(habits.alpha + seen.last)
    odds = np.log(habits.a) - np.log(drawn) + (habits.r + seen.repeats) * silent
    return odds if at_once else np.where(seen.repeats > 0, odds, -np.inf)


def chance_of_purchase(habits: Habits, seen: Histories, ahead: float, at_once: bool) -> Floats:
    """Probability of at least one purchase within ``ahead`` from now: still here, and not silent."""
    longer = np.log(habits.alpha + seen.age) - np.log(habits.alpha + seen.age + ahead)
    return expit(-log_odds_gone(habits, seen, at_once)) * -np.expm1((habits.r + seen.repeats) * longer)


def fit_habits(seen: Histories, at_once: bool) -> Habits:
    """Maximum likelihood of the histories."""
    unit = LONGEST / max(float(seen.age.max()), SURE)
    scaled = seen.scaled(unit)
    found = most_likely(lambda habits: float(log_likelihood(habits, scaled, at_once).mean()), np.zeros(4))
    return Habits(found.r, found.alpha / unit, found.a, found.b)


def fit_to_outcome(
    start: Habits, seen: Histories, bought: NDArray[np.bool_], ahead: float, at_once: bool
) -> Habits:
    """Maximum likelihood of what came after the histories: who bought within ``ahead``, and who did not.

    Histories are those of customers who are asked about, hence who bought lately: their own likelihood
    would take them for more faithful than they are.
    """

    def likelihood(habits: Habits) -> float:
        return -float(log_losses(bought, chance_of_purchase(habits, seen, ahead, at_once)).mean())

    return most_likely(likelihood, np.log(astuple(start)))


def most_likely(likelihood: Callable[[Habits], float], start: Floats) -> Habits:
    """The habits of greatest mean log-likelihood, searched on the logs of all four."""

    def loss(logs: Floats) -> float:
        value = likelihood(Habits(*np.exp(logs)))
        return -value if np.isfinite(value) else 1e6

    bounds = [(min(-WIDEST, place), max(WIDEST, place)) for place in start]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    return Habits(*(float(each) for each in np.exp(found.x)))


def learn_habits(seen: Histories, churned: NDArray[Any], ahead: float, at_once: bool = True) -> Habits:
    """From histories and labels: the histories' own likelihood leads the search, the outcome's decides."""
    every = max(1, -(-len(churned) // ROWS_TO_FIT))
    chosen = slice(None, None, every)
    start = fit_habits(seen.take(chosen), at_once)
    return fit_to_outcome(start, seen.take(chosen), churned[chosen] == 0, ahead, at_once)


class RepeatPurchase(ClassifierMixin, TransformerMixin, BaseEstimator):
    """The modified BG/NBD model of a customer's orders, as a classifier and as a column for others.

    Reads three columns: orders placed, days since the first and days since the last. Who has none gets the
    churn rate, and a null as column.

    Parameters
    ----------
    horizon_days : int
        How far ahead a purchase counts.

    Attributes
    ----------
    classes_ : array of shape (2,)
    rate_ : float
        Churn rate of the training rows.
    habits_ : array of shape (4,)
        r, alpha (days), a, b.
    """

    def __init__(self, horizon_days: int = 30) -> None:
        self.horizon_days = horizon_days

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        values, churned = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        self.classes_, codes = np.unique(churned, return_inverse=True)
        self.rate_ = float(codes.mean())
        known = np.isfinite(values).all(axis=1) & (values[:, 0] >= 1)
        seen = histories(values[known])
        habits = learn_habits(seen, codes[known], self.horizon_days) if known.any() else Habits(1, 1, 1, 1)
        self.habits_ = np.array(astuple(habits))
        return self

    def _churn(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        known = np.isfinite(values).all(axis=1) & (values[:, 0] >= 1)
        churn = np.full(len(values), np.nan)
        seen = histories(values[known])
        churn[known] = 1 - chance_of_purchase(Habits(*self.habits_), seen, self.horizon_days, True)
        return churn

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        churn = self._churn(X)
        return both_sides(np.where(np.isnan(churn), self.rate_, churn))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """The log-odds of churn, shape (rows, 1)."""
        return with_nulls_kept(self._churn(X))[:, None]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        return np.array(["churn_by_repeat_purchase"], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def histories(values: Floats) -> Histories:
    """From orders placed, days since the first and days since the last."""
    placed, since_first, since_last = (np.ascontiguousarray(column) for column in values.T)
    age = np.maximum(since_first, 0.0)
    return Histories(np.maximum(placed - 1, 0.0), np.clip(age - since_last, 0.0, age), age)


def with_nulls_kept(churn: Floats) -> Floats:
    """Log-odds where there is a probability."""
    return np.where(np.isnan(churn), np.nan, log_odds(np.where(np.isnan(churn), 0.5, churn)))
