"""Shapley values of each prepared column, by the kind of estimator: exact for the shipped ones, else sampled.

Trees use the path-dependent values of Lundberg et al. (2020): of log-odds for boosters; of probabilities for
single trees and forests, which average them.
"""

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.model.probability import log_odds

LOG_ODDS, PROBABILITY = "log-odds", "probability"
AMOUNT, LOG = "amount", "log of amount"
ROWS_AT_ONCE = 100_000  # of the user's own model, to bound memory


class Contributions(NamedTuple):
    """What columns add to ``base``: ``values`` of shape (rows, columns), on ``scale``."""

    values: Floats
    base: float
    scale: str = LOG_ODDS


def of_linear(model: Any, prepared: Floats, means: Floats, scale: str = LOG_ODDS) -> Contributions:
    """Coefficient times distance from the training mean, which is exact for a sum."""
    weights, intercept = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    return Contributions((prepared - means) * weights, float(means @ weights + intercept), scale)


def of_trees(model: Any, prepared: Floats, scale: str = LOG_ODDS) -> Contributions:
    """Values of trees; those of a classifier that averages votes are of probabilities."""
    from ml.explain.tree_shapley import tree_values  # numba takes a second to import

    values, base = tree_values(model, prepared)
    return Contributions(values, base, scale)


def of_few_columns(
    score: Callable[[Floats], Floats], prepared: Floats, means: Floats, scale: str = LOG_ODDS
) -> Contributions:
    """By definition, over every subset of a few columns; columns outside it have their training mean."""
    columns = range(prepared.shape[1])
    scores: dict[frozenset[int], Floats] = {}
    for size in range(len(columns) + 1):
        for subset in combinations(columns, size):
            mixed = np.where(np.isin(columns, subset), prepared, means)
            scores[frozenset(subset)] = score(mixed)
    values = np.zeros(prepared.shape)
    for column in columns:
        for without in [subset for subset in scores if column not in subset]:
            share = 1 / (len(columns) * comb(len(columns) - 1, len(without)))
            values[:, column] += share * (scores[without | {column}] - scores[without])
    return Contributions(values, float(scores[frozenset()][0]), scale)


def of_any(
    score: Callable[[pd.DataFrame], Floats], frame: pd.DataFrame, background: pd.DataFrame, seed: int
) -> Contributions:
    """Sampled values of any model, by Štrumbelj and Kononenko (2014).

    The inputs of a background row change to those of the customer one after the other, in a random order and
    in its reverse, whose errors cancel in part; the value of an input is the mean change of the score at its
    step. So the values add up to the score exactly, and are the same for a customer alone and among many.

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
    orders = [
        order
        for permutation in (random.permutation(count) for _ in range(len(background)))
        for order in (permutation, permutation[::-1])
    ]
    values = np.zeros(frame.shape)
    at_once = max(1, ROWS_AT_ONCE // (count + 1))
    for start in range(0, len(frame), at_once):
        rows = frame.iloc[start : start + at_once]
        for number, order in enumerate(orders):
            path = path_frame(background.iloc[number // 2], rows, order)
            steps = score(path).reshape(len(rows), count + 1)
            values[start : start + at_once][:, order] += np.diff(steps, axis=1)
    return Contributions(values / len(orders), float(score(background).mean()))


def path_frame(begin: "pd.Series[Any]", rows: pd.DataFrame, order: NDArray[np.intp]) -> pd.DataFrame:
    """For each row the steps from ``begin`` to it, each with one more of its inputs, in this order."""
    steps = len(order) + 1
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    changed = np.arange(steps)[None, :] > rank[:, None]
    columns = {
        name: np.where(changed[column], rows[name].to_numpy()[:, None], begin.iloc[column]).ravel()
        for column, name in enumerate(rows.columns)
    }
    return pd.DataFrame(columns).astype(rows.dtypes.to_dict())


def of_rule(model: Any, prepared: Floats) -> Contributions:
    """The recency rule's step from the overall rate, all of it by the deciding column."""
    base = float(log_odds(np.array([model.rate_]))[0])
    step = log_odds(model.predict_proba(prepared)[:, 1]) - base
    values = np.zeros(prepared.shape)
    deciding = model.deciding_column(prepared)
    for column in range(prepared.shape[1]):
        values[deciding == column, column] = step[deciding == column]
    return Contributions(values, base)


def of_nothing(model: Any, prepared: Floats) -> Contributions:
    """The prior reads no column."""
    base = float(log_odds(model.predict_proba(prepared[:1])[:, 1])[0])
    return Contributions(np.zeros(prepared.shape), base)


def of_mean(model: Any, prepared: Floats) -> Contributions:
    """The mean reads no column."""
    return Contributions(np.zeros(prepared.shape), float(model.predict(prepared[:1])[0]), AMOUNT)
