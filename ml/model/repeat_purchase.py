"""The probability of another purchase from frequency, recency and age: BG/NBD and its modified form.

A customer buys at a rate of their own and may leave for good after each purchase with a probability of their
own; rates follow a gamma, probabilities a beta distribution (Fader, Hardie and Lee, 2005). In the modified
model a customer may leave right after the first purchase as well (Batislam, Denizel and Filiztekin, 2007).
The four parameters come from scipy's maximum likelihood; the result for one customer is a closed formula.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.common.array_types import Floats
from ml.model.probability import SURE, both_sides, log_losses, log_odds

ROWS_TO_FIT = 5_000  # at most; four parameters need no more, and the search goes over them many times
LONGEST = 10.0  # the greatest age in the unit of time of the search, which starts at parameters of 1
WIDEST = 8.0  # bound of the search on the logs of the parameters


@dataclass(frozen=True)
class Parameters:
    """The four parameters of the model.

    Parameters
    ----------
    r, alpha : float
        Shape, and rate in days, of the gamma distribution of purchases a day.
    a, b : float
        The beta distribution of the probability to leave after a purchase.
    """

    r: float
    alpha: float
    a: float
    b: float


@dataclass(frozen=True)
class Histories:
    """The purchases of each customer, in any one unit of time.

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


def log_likelihood(parameters: Parameters, histories: Histories, modified: bool) -> Floats:
    """The log-likelihood of each history; the unit of time is that of ``alpha``.

    Parameters
    ----------
    modified : bool
        A customer may leave right after the first purchase.
    """
    exits = histories.repeats + modified  # purchases after which the customer could have left
    common = (
        gammaln(parameters.r + histories.repeats)
        - gammaln(parameters.r)
        + parameters.r * np.log(parameters.alpha)
        + betaln(parameters.a, parameters.b + exits)
        - betaln(parameters.a, parameters.b)
        - (parameters.r + histories.repeats) * np.log(parameters.alpha + histories.age)
    )
    return common + np.logaddexp(0.0, log_odds_gone(parameters, histories, modified))


def log_odds_gone(parameters: Parameters, histories: Histories, modified: bool) -> Floats:
    """Log-odds that the customer has left, given the history."""
    stays = np.maximum(parameters.b + histories.repeats + modified - 1, SURE)
    silence = np.log(parameters.alpha + histories.age) - np.log(parameters.alpha + histories.last)
    odds = np.log(parameters.a) - np.log(stays) + (parameters.r + histories.repeats) * silence
    return odds if modified else np.where(histories.repeats > 0, odds, -np.inf)


def purchase_probability(
    parameters: Parameters, histories: Histories, ahead: float, modified: bool
) -> Floats:
    """Probability of at least one purchase within ``ahead`` from now: not gone, and not silent."""
    wait = np.log(parameters.alpha + histories.age) - np.log(parameters.alpha + histories.age + ahead)
    still_here = expit(-log_odds_gone(parameters, histories, modified))
    return still_here * -np.expm1((parameters.r + histories.repeats) * wait)


def fit_to_histories(histories: Histories, modified: bool) -> Parameters:
    unit = LONGEST / max(float(histories.age.max()), SURE)
    scaled = Histories(histories.repeats, histories.last * unit, histories.age * unit)

    def likelihood(parameters: Parameters) -> float:
        return float(log_likelihood(parameters, scaled, modified).mean())

    parameters = maximize_likelihood(likelihood, np.zeros(4))
    return replace(parameters, alpha=parameters.alpha / unit)


def fit_to_outcome(
    start: Parameters, histories: Histories, bought: NDArray[np.bool_], ahead: float, modified: bool
) -> Parameters:
    """Maximum likelihood of what came after the histories: a purchase within ``ahead``, or none.

    Training rows are customers who bought recently, so the likelihood of their histories alone would
    overestimate their loyalty.
    """

    def likelihood(parameters: Parameters) -> float:
        return -float(log_losses(bought, purchase_probability(parameters, histories, ahead, modified)).mean())

    return maximize_likelihood(likelihood, np.log(astuple(start)))


def maximize_likelihood(likelihood: Callable[[Parameters], float], start: Floats) -> Parameters:
    """The parameters of greatest mean log-likelihood, searched on the logs of all four."""

    def loss(logs: Floats) -> float:
        value = likelihood(Parameters(*np.exp(logs)))
        return -value if np.isfinite(value) else 1e6

    bounds = [(min(-WIDEST, log), max(WIDEST, log)) for log in start]
    result = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    return Parameters(*(float(value) for value in np.exp(result.x)))


def fit_parameters(histories: Histories, churned: NDArray[Any], ahead: float) -> Parameters:
    """The modified model's parameters from histories and labels.

    The histories' own likelihood gives the start of the search, that of the outcome its end.
    """
    if not len(churned):
        return Parameters(1, 1, 1, 1)
    every = max(1, -(-len(churned) // ROWS_TO_FIT))
    sample = histories.take(slice(None, None, every))
    start = fit_to_histories(sample, True)
    return fit_to_outcome(start, sample, churned[::every] == 0, ahead, True)


class RepeatPurchase(ClassifierMixin, TransformerMixin, BaseEstimator):
    """The modified BG/NBD model of a customer's orders, as a classifier and as a column for others.

    It reads three columns: orders placed, days since the first and days since the last. A customer without
    orders gets the churn rate, and a null as column.

    Parameters
    ----------
    horizon_days : int
        How far ahead a purchase counts.
    amounts : bool
        Labels are amounts spent, of which none above 0 is churn.

    Attributes
    ----------
    classes_ : array of shape (2,)
    rate_ : float
        Churn rate of the training rows.
    habits_ : array of shape (4,)
        r, alpha (days), a, b; named so in stored models.
    """

    def __init__(self, horizon_days: int = 30, amounts: bool = False) -> None:
        self.horizon_days = horizon_days
        self.amounts = amounts

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        values, churned = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        self.classes_, codes = np.unique(as_churn(churned, self.amounts), return_inverse=True)
        self.rate_ = float(codes.mean())
        known = np.isfinite(values).all(axis=1) & (values[:, 0] >= 1)
        parameters = fit_parameters(read_histories(values[known]), codes[known], self.horizon_days)
        self.habits_ = np.array(astuple(parameters))
        return self

    def _churn(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        known = np.isfinite(values).all(axis=1) & (values[:, 0] >= 1)
        churn = np.full(len(values), np.nan)
        histories = read_histories(values[known])
        churn[known] = 1 - purchase_probability(Parameters(*self.habits_), histories, self.horizon_days, True)
        return churn

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        churn = self._churn(X)
        return both_sides(np.where(np.isnan(churn), self.rate_, churn))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """The log-odds of churn, shape (rows, 1)."""
        return log_odds_or_null(self._churn(X))[:, None]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        return np.array(["churn_by_repeat_purchase"], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def as_churn(labels: NDArray[Any], amounts: bool) -> NDArray[Any]:
    """Labels as they are, or 1 where an amount is not above 0."""
    return (labels <= 0).astype(int) if amounts else labels


def read_histories(values: Floats) -> Histories:
    """From orders placed, days since the first and days since the last."""
    placed, since_first, since_last = (np.ascontiguousarray(column) for column in values.T)
    age = np.maximum(since_first, 0.0)
    return Histories(np.maximum(placed - 1, 0.0), np.clip(age - since_last, 0.0, age), age)


def log_odds_or_null(churn: Floats) -> Floats:
    """Log-odds of each probability; null where it is."""
    return np.where(np.isnan(churn), np.nan, log_odds(np.where(np.isnan(churn), 0.5, churn)))
