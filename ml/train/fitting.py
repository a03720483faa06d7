"""Fit one candidate: boosters learn when to stop from the later part of their rows, then learn from all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, early_stopping
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from xgboost import XGBClassifier

from ml.train.candidates import Candidate, threads_for, use_threads

LATER_SHARE = 0.2  # of the cut-offs: they decide when to stop
MOST_TREES, FEWEST_TREES = 500, 20
PATIENCE = 25  # trees without improvement on the later rows
WORTH_STOPPING = 500  # rows, of the earlier and of the later ones; with fewer the settings decide
Instants = NDArray[np.datetime64]


@dataclass(frozen=True)
class PreparedRows:
    """Prepared rows to learn from.

    Parameters
    ----------
    values : array of shape (rows, prepared columns)
    labels : array of shape (rows,)
        0 or 1, or amounts.
    at : array of shape (rows,)
        The cut-off of each row.
    gap : timedelta
        From a cut-off until its label is settled.
    """

    values: NDArray[Any]
    labels: NDArray[Any]
    at: Instants
    gap: timedelta

    def take(self, rows: NDArray[np.bool_]) -> "PreparedRows":
        return PreparedRows(self.values[rows], self.labels[rows], self.at[rows], self.gap)

    @property
    def classes(self) -> int:
        return len(np.unique(self.labels))


def fit(candidate: Candidate, preparation: Any, rows: PreparedRows, *, stopping: bool = True) -> Pipeline:
    """A fitted pipeline of a fitted preparation and the candidate's model, ready to score.

    Parameters
    ----------
    stopping : bool
        Let boosters learn how many trees are enough; else they grow as many as their settings say.
    """
    model = clone(candidate.model)
    pipeline = Pipeline([("prepare", preparation), ("model", model)])
    stopper = STOPPERS.get(type(model))
    with threadpool_limits(threads_for(len(rows.labels))):
        if stopping and stopper and (parts := earlier_and_later(rows)):
            set_trees(model, stopper(clone(model), *parts, row_weights(candidate, parts[0])))
        weight = row_weights(candidate, rows)
        # Some models take no sample_weight, so none is passed where all rows weigh the same.
        model.fit(rows.values, rows.labels, **({} if weight is None else {"sample_weight": weight}))
    use_threads(pipeline, 1)
    return pipeline


def row_weights(candidate: Candidate, rows: PreparedRows) -> NDArray[np.float64] | None:
    """Row weights under which both classes weigh the same; None where all rows do."""
    return compute_sample_weight("balanced", rows.labels) if candidate.balanced else None


def earlier_and_later(rows: PreparedRows) -> tuple[PreparedRows, PreparedRows] | None:
    """The rows of the last cut-offs, and those whose labels were settled before; None where too few."""
    cutoffs = np.unique(rows.at)
    begins = cutoffs[-max(1, round(LATER_SHARE * len(cutoffs)))]
    later = rows.take(rows.at >= begins)
    earlier = rows.take(rows.at + np.timedelta64(rows.gap) <= begins)
    enough = min(len(earlier.labels), len(later.labels)) >= WORTH_STOPPING
    return (earlier, later) if enough and min(earlier.classes, later.classes) > 1 else None


def stop_xgboost(model: Any, earlier: PreparedRows, later: PreparedRows, weight: Any) -> int:
    model.set_params(n_estimators=MOST_TREES, early_stopping_rounds=PATIENCE)
    eval_set = [(later.values, later.labels)]
    model.fit(earlier.values, earlier.labels, sample_weight=weight, eval_set=eval_set, verbose=False)
    return int(model.best_iteration) + 1


def stop_lightgbm(model: Any, earlier: PreparedRows, later: PreparedRows, weight: Any) -> int:
    model.set_params(n_estimators=MOST_TREES)
    model.fit(
        earlier.values,
        earlier.labels,
        sample_weight=weight,
        eval_X=later.values,
        eval_y=later.labels,
        callbacks=[early_stopping(PATIENCE, verbose=False)],
    )
    return int(model.best_iteration_)


def stop_hist_gradient_boosting(model: Any, earlier: PreparedRows, later: PreparedRows, weight: Any) -> int:
    model.set_params(max_iter=MOST_TREES, early_stopping=True, n_iter_no_change=PATIENCE, tol=0.0)
    validation = {"X_val": later.values, "y_val": later.labels}
    model.fit(earlier.values, earlier.labels, sample_weight=weight, **validation)
    return int(np.argmax(model.validation_score_[1:])) + 1


STOPPERS: dict[type, Callable[[Any, PreparedRows, PreparedRows, Any], int]] = {
    XGBClassifier: stop_xgboost,
    LGBMClassifier: stop_lightgbm,
    HistGradientBoostingClassifier: stop_hist_gradient_boosting,
}


def set_trees(model: Any, trees: int) -> None:
    name = "max_iter" if isinstance(model, HistGradientBoostingClassifier) else "n_estimators"
    model.set_params(**{name: max(trees, FEWEST_TREES)})
