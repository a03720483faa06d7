"""Estimators and transformers by scikit-learn's contract.

All work element by element or column by column in a fixed order, so that a customer's score is the same to
the last bit whether scored alone or among a million.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ml.common.array_types import Floats
from ml.model.probability import both_sides, log_losses


class TameSkew(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Replace columns with long tails by ``sign(x) * log(1 + |x|)``; nulls stay null.

    Parameters
    ----------
    limit : float
        Absolute skewness from which a column has a long tail.

    Attributes
    ----------
    skewed_ : array of bool, shape (columns,)
    """

    def __init__(self, limit: float = 1.0) -> None:
        self.limit = limit

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.skewed_ = np.abs(skewness(values)) > self.limit
        return self

    def transform(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        values = validate_data(
            self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan", copy=True
        )
        tail = np.ascontiguousarray(values[:, self.skewed_])
        values[:, self.skewed_] = np.sign(tail) * np.log1p(np.abs(tail))
        return values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def skewness(values: Floats) -> Floats:
    """Third standardised moment of each column; 0 where a column is constant or empty."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - np.where(known, values, 0).sum(axis=0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    third = (centred**3).sum(axis=0) / count
    return np.divide(third, spread**3, out=np.zeros_like(third), where=spread > 0)


class RowwiseLogistic(LogisticRegression):
    """Logistic regression whose sum is taken column after column.

    A matrix product may add in another order for one row than for many; this one cannot.
    """

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        if len(self.classes_) > 2 or issparse(self.coef_):
            return super().decision_function(X)
        values = validate_data(self, X, reset=False, dtype=np.float64)
        total = np.full(len(values), float(self.intercept_[0]))
        for column, weight in zip(values.T, self.coef_[0], strict=True):
            total += np.ascontiguousarray(column) * weight
        return total

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        if len(self.classes_) > 2:
            return super().predict_proba(X)
        return both_sides(expit(self.decision_function(X)))


class RecencyRule(ClassifierMixin, BaseEstimator):
    """The simplest rule: the longer since the last order, the more probable is churn.

    Each column is a measure of lateness with its own curve to the churn rate, fitted by isotonic regression:
    rising, or falling where that fits the training rows better, as where customers buy every few months. One
    column leads; where it is null the first of the others that is not null decides. The leading column is the
    one with the lowest log-loss on the training rows, so that the baseline is the best rule of its kind.

    Attributes
    ----------
    classes_ : array of shape (2,)
    rate_ : float
        Churn rate of the training rows, for a row without any lateness.
    order_ : array of shape (columns,)
        The columns, the leading one first.
    lateness_, rates_ : list of arrays
        The knots of each column's curve, in that order.
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        values, churned = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(churned)
        self.classes_, codes = np.unique(churned, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError("Only binary classification is supported.")
        self.rate_ = float(codes.mean()) if len(self.classes_) == 2 else 1.0
        losses = []
        for first in range(values.shape[1]):
            self._fit_curves(values, codes, first)
            losses.append(log_losses(codes, self._churn(values)).mean())
        self._fit_curves(values, codes, int(np.argmin(losses)))
        return self

    def _fit_curves(self, values: Floats, codes: NDArray[Any], first: int) -> None:
        columns = range(values.shape[1])
        self.order_ = np.array([first, *(column for column in columns if column != first)], dtype=np.intp)
        self.lateness_, self.rates_ = [], []
        ordered = values[:, self.order_]
        deciding = first_known(ordered)
        for column in columns:
            rows = deciding == column
            lateness, rates = monotone_curve(ordered[rows, column], codes[rows], self.rate_)
            self.lateness_.append(lateness)
            self.rates_.append(rates)

    def _churn(self, values: Floats) -> Floats:
        churn = np.full(len(values), self.rate_)
        ordered = values[:, self.order_]
        deciding = first_known(ordered)
        for column, (lateness, rates) in enumerate(zip(self.lateness_, self.rates_, strict=True)):
            rows = deciding == column
            churn[rows] = np.interp(ordered[rows, column], lateness, rates)
        return churn

    def deciding_column(self, X: Any) -> NDArray[np.intp]:  # noqa: N803
        """The column that decides for each row; -1 where all are null."""
        index = first_known(np.asarray(X, dtype=np.float64)[:, self.order_])
        return np.where(index < 0, -1, self.order_[index])

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return both_sides(self._churn(values)) if len(self.classes_) == 2 else np.ones((len(values), 1))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        return tags


def first_known(values: Floats) -> NDArray[np.intp]:
    """For each row the first column that is not null; -1 where all are."""
    known = ~np.isnan(values)
    return np.where(known.any(axis=1), known.argmax(axis=1), -1)


def monotone_curve(lateness: Floats, churned: NDArray[Any], rate: float) -> tuple[Floats, Floats]:
    """The knots of the curve; the overall rate where there are no rows."""
    if not len(lateness):
        return np.zeros(1), np.full(1, rate)
    curves = [
        IsotonicRegression(increasing=rises, out_of_bounds="clip").fit(lateness, churned)
        for rises in (True, False)
    ]
    curve = min(curves, key=lambda curve: float(np.square(curve.predict(lateness) - churned).sum()))
    least = 1 / (len(lateness) + 2)  # Laplace's rule: the rate of no churner among so many rows
    return curve.X_thresholds_, np.clip(curve.y_thresholds_, least, 1 - least)
