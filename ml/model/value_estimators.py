"""Regressors by scikit-learn's contract: expected spend from order histories, and linear models.

All work element by element or column by column in a fixed order, so that a customer's amount is the same to
the last bit whether scored alone or among a million.
"""

from dataclasses import astuple
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammaln, hyp2f1
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge, TweedieRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.common.array_types import Floats
from ml.model.repeat_purchase import (
    WIDEST,
    Histories,
    Parameters,
    fit_parameters,
    log_odds_gone,
    read_histories,
)

# The columns that the expected spend is computed from, in this order; the first three are an order history.
SPEND_HISTORY = (
    "orders_placed_lifetime",
    "days_since_first_order",
    "days_since_last_order",
    "orders_lifetime",
    "spend_lifetime",
)
NEAR_ONE = 1e-6  # the formula of expected purchases has a gap at a = 1


def expected_purchases(parameters: Parameters, histories: Histories, ahead: float) -> Floats:
    """Expected number of purchases within ``ahead`` days under the modified BG/NBD model.

    The expectation over customers still here (Batislam, Denizel and Filiztekin, 2007, by the steps of Fader,
    Hardie and Lee, 2005) times the probability that this one is.
    """
    r, alpha, a, b = astuple(parameters)
    a = 1 + np.copysign(NEAR_ONE, a - 1) if abs(a - 1) < NEAR_ONE else a
    x = histories.repeats
    waiting = (alpha + histories.age) / (alpha + histories.age + ahead)
    hypergeometric = hyp2f1(r + x, b + x + 1, a + b + x, ahead / (alpha + histories.age + ahead))
    while_here = (a + b + x) / (a - 1) * (1 - waiting ** (r + x) * hypergeometric)
    return np.maximum(while_here, 0.0) * expit(-log_odds_gone(parameters, histories, modified=True))


def gamma_gamma_log_likelihood(logs: Floats, orders: Floats, mean: Floats) -> float:
    """Mean log-likelihood of mean order values, by the logs of p, q, gamma (Fader and Hardie, 2013)."""
    p, q, gamma = np.exp(logs)
    terms = (
        gammaln(p * orders + q)
        - gammaln(p * orders)
        - gammaln(q)
        + q * np.log(gamma)
        + (p * orders - 1) * np.log(mean)
        + p * orders * np.log(orders)
        - (p * orders + q) * np.log(gamma + mean * orders)
    )
    return float(terms.mean())


def fit_gamma_gamma(orders: Floats, mean: Floats) -> Floats:
    """p, q and gamma of greatest likelihood, in units of the mean order value; shape (3,).

    Parameters
    ----------
    orders, mean : arrays of shape (customers,)
        Number of orders and their mean value, both above 0.
    """
    unit = float(np.median(mean))

    def loss(logs: Floats) -> float:
        value = gamma_gamma_log_likelihood(logs, orders, mean / unit)
        return -value if np.isfinite(value) else 1e6

    result = minimize(loss, np.log([2.0, 3.0, 3.0]), method="L-BFGS-B", bounds=[(-WIDEST, WIDEST)] * 3)
    p, q, gamma = np.exp(result.x)
    return np.array([p, q, gamma * unit])


class ExpectedSpend(RegressorMixin, BaseEstimator):
    """BG/NBD with gamma-gamma: expected purchases in the horizon times the expected value of an order.

    It reads the columns of ``SPEND_HISTORY``. Its level is that of the training rows: the mean of the
    predictions is scaled to the mean of the amounts. A customer without orders gets that mean.

    Parameters
    ----------
    horizon_days : int

    Attributes
    ----------
    habits_ : array of shape (4,)
        r, alpha (days), a, b of the modified BG/NBD model.
    spend_ : array of shape (3,)
        p, q, gamma of the gamma-gamma model.
    level_, mean_ : float
        Factor of the level; mean amount of the training rows.
    """

    def __init__(self, horizon_days: int = 30) -> None:
        self.horizon_days = horizon_days

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        values, amount = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        self.mean_ = float(amount.mean())
        known = self._known(values)
        history = values[known]
        nothing_bought = (amount[known] <= 0).astype(int)
        parameters = fit_parameters(read_histories(history[:, :3]), nothing_bought, self.horizon_days)
        self.habits_ = np.array(astuple(parameters))
        orders, spend = history[:, 3], history[:, 4]
        spending = (orders >= 1) & (spend > 0)
        self.spend_ = (
            fit_gamma_gamma(orders[spending], spend[spending] / orders[spending])
            if spending.any()
            else np.array([1.0, 2.0, 0.0])
        )
        self.level_ = 1.0
        expected = float(self._expected(history).mean()) if len(history) else 0.0
        self.level_ = float(amount[known].mean()) / expected if expected > 0 else 1.0
        return self

    def _known(self, values: Floats) -> Any:
        return np.isfinite(values).all(axis=1) & (values[:, 0] >= 1)

    def _expected(self, history: Floats) -> Floats:
        purchases = expected_purchases(
            Parameters(*self.habits_), read_histories(history[:, :3]), self.horizon_days
        )
        orders, spend = history[:, 3], np.maximum(history[:, 4], 0.0)
        p, q, gamma = self.spend_
        value = p * (gamma + spend) / np.maximum(p * orders + q - 1, NEAR_ONE)
        return self.level_ * purchases * value

    def predict(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        known = self._known(values)
        expected = np.full(len(values), self.mean_)
        expected[known] = self._expected(values[known])
        return expected

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def rowwise_sum(model: Any, values: Floats) -> Floats:
    """Intercept and weighted columns, added column after column.

    A matrix product may add in another order for one row than for many; this one cannot.
    """
    total = np.full(len(values), float(np.ravel(model.intercept_)[0]))
    for column, weight in zip(values.T, np.ravel(model.coef_), strict=True):
        total += np.ascontiguousarray(column) * weight
    return total


class RowwiseRidge(Ridge):
    """Ridge regression whose sum is taken column after column."""

    def predict(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        return rowwise_sum(self, validate_data(self, X, reset=False, dtype=np.float64))


class RowwiseTweedie(TweedieRegressor):
    """Tweedie regression with a log link; amounts below 0, such as returns, count as 0 in fitting."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        super().fit(X, np.maximum(y, 0.0), sample_weight)
        del self._base_loss  # fitting alone needs it, and no saved model may hold an object of that type
        return self

    def predict(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        return np.exp(rowwise_sum(self, validate_data(self, X, reset=False, dtype=np.float64)))
