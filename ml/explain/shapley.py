"""Shapley values of each prepared column, by the estimator that read it: exact, but for any other estimator.

Prepared columns and a fitted estimator come in, what each column adds to the raw score goes out, with the
score of knowing nothing. Trees use the path-dependent values of Lundberg et al. (2020); boosters compute
their own, in log-odds; scikit-learn's trees and forests vote with probabilities, so theirs are probabilities.
"""

import sys
from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.model.probability import log_odds

LOG_ODDS, PROBABILITY = "log-odds", "probability"
ROWS_AT_ONCE = 100_000  # of a model of one's own, to bound memory


class Added(NamedTuple):
    """What columns add: ``values`` of shape (rows, columns), from ``base`` on, on ``scale``."""

    values: Floats
    base: float
    scale: str = LOG_ODDS


def of_booster(model: Any, prepared: Floats) -> Added:
    """XGBoost's own values; float32, as its scores are."""
    from xgboost import DMatrix

    booster = model.get_booster()
    best = booster.attr("best_iteration")
    rounds = (0, int(best) + 1) if best is not None else (0, 0)
    values = booster.predict(DMatrix(prepared), pred_contribs=True, iteration_range=rounds).astype(np.float64)
    return Added(values[:, :-1], float(values[0, -1]))


def of_lightgbm(model: Any, prepared: Floats) -> Added:
    """LightGBM's own values."""
    values = model.booster_.predict(prepared, pred_contrib=True, num_threads=1)
    return Added(values[:, :-1], float(values[0, -1]))


def of_linear(model: Any, prepared: Floats, means: Floats) -> Added:
    """Coefficient times distance from the training mean, which is exact for a sum."""
    weights = model.coef_[0]
    return Added((prepared - means) * weights, float(means @ weights + model.intercept_[0]))


def tree_explainer_class() -> Any:
    """``shap.TreeExplainer``; shap is imported without matplotlib, which it would load only to draw."""
    if "shap" in sys.modules or "matplotlib" in sys.modules:
        from shap import TreeExplainer

        return TreeExplainer
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        from shap import TreeExplainer
    finally:
        del sys.modules["matplotlib"]
    return TreeExplainer


def of_trees(model: Any, prepared: Floats) -> Added:
    """Values of scikit-learn's trees by the ``shap`` package."""
    explainer = tree_explainer_class()(model, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(prepared, check_additivity=False))
    base = float(np.ravel(explainer.expected_value)[-1])
    if values.ndim == 3:
        return Added(values[:, :, 1], base, PROBABILITY)
    return Added(values, base)


def of_few(model: Any, prepared: Floats, means: Floats) -> Added:
    """By definition, over every subset of a handful of columns; a column that is out takes its training mean.

    Log-odds of a null's answer count like any other.
    """
    columns = range(prepared.shape[1])
    scores: dict[frozenset[int], Floats] = {}
    for size in range(len(columns) + 1):
        for subset in combinations(columns, size):
            mixed = np.where(np.isin(columns, subset), prepared, means)
            scores[frozenset(subset)] = log_odds(model.predict_proba(mixed)[:, 1])
    values = np.zeros(prepared.shape)
    for column in columns:
        for without in [each for each in scores if column not in each]:
            share = 1 / (len(columns) * comb(len(columns) - 1, len(without)))
            values[:, column] += share * (scores[without | {column}] - scores[without])
    return Added(values, float(scores[frozenset()][0]))


def of_any(
    score: Callable[[pd.DataFrame], Floats], frame: pd.DataFrame, background: pd.DataFrame, seed: int
) -> Added:
    """Sampled values of any model, by Štrumbelj and Kononenko (2014).

    From each background row a random order of the inputs leads to the customer's row, one input after the
    other, and the reverse order leads back the same way; what an input adds is the mean of its steps. So the
    values add up to the score exactly, and are the same for a customer alone and among many.

    Parameters
    ----------
    score : callable
        From a frame of inputs to a score a row.
    frame : DataFrame of shape (rows, inputs)
    background : DataFrame of shape (few, inputs)
    seed : int
        Of the orders.
    """
    random = np.random.default_rng(seed)
    count = frame.shape[1]
    orders = [order for _ in range(len(background)) for order in both_ways(random.permutation(count))]
    values = np.zeros(frame.shape)
    at_once = max(1, ROWS_AT_ONCE // (count + 1))
    for start in range(0, len(frame), at_once):
        rows = frame.iloc[start : start + at_once]
        for number, order in enumerate(orders):
            steps = score(way(background.iloc[number // 2], rows, order)).reshape(len(rows), count + 1)
            values[start : start + at_once][:, order] += np.diff(steps, axis=1)
    return Added(values / len(orders), float(score(background).mean()))


def both_ways(order: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """An order and its reverse, whose errors cancel in part."""
    return order, order[::-1]


def way(begin: "pd.Series[Any]", rows: pd.DataFrame, order: NDArray[np.intp]) -> pd.DataFrame:
    """For each row the steps from ``begin`` to it: one input more in each, in this order."""
    steps = len(order) + 1
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    taken = np.arange(steps)[None, :] > place[:, None]
    made = {
        name: np.where(taken[column], rows[name].to_numpy()[:, None], begin.iloc[column]).ravel()
        for column, name in enumerate(rows.columns)
    }
    return pd.DataFrame(made).astype(rows.dtypes.to_dict())


def of_rule(model: Any, prepared: Floats) -> Added:
    """The recency rule's step from the overall rate, all of it by the column that spoke."""
    base = float(log_odds(np.array([model.rate_]))[0])
    step = log_odds(model.predict_proba(prepared)[:, 1]) - base
    values = np.zeros(prepared.shape)
    spoke = model.spoke(prepared)
    for column in range(prepared.shape[1]):
        values[spoke == column, column] = step[spoke == column]
    return Added(values, base)


def of_nothing(model: Any, prepared: Floats) -> Added:
    """The prior looks at nothing."""
    base = float(log_odds(model.predict_proba(prepared[:1])[:, 1])[0])
    return Added(np.zeros(prepared.shape), base)
