"""How much each input raises or lowers one customer's risk: Shapley values of the raw score.

They are exact for the shipped candidates, sampled for the user's own estimators, and checked to add up to the
customer's score. Calibration rises, so signs and order are the same after it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.pipeline import Pipeline

from ml.common.array_types import Floats
from ml.common.errors import ModelError
from ml.explain import shapley
from ml.explain.shapley import AMOUNT, LOG, LOG_ODDS, PROBABILITY, Contributions
from ml.model.activity import SILENCE
from ml.model.fitted_model import FittedModel, raw_prediction
from ml.model.preparation import sources
from ml.model.probability import log_odds

INVERSE = {LOG_ODDS: expit, LOG: np.exp}  # from what the values add up to, to a prediction
LARGEST_GAP = 1e-4  # of probabilities, or of the largest amount; XGBoost's scores have single precision
ACTIVITY = "activity"


@dataclass(frozen=True)
class Explanation:
    """The contribution of each input to each row's raw score.

    Parameters
    ----------
    values : array of shape (rows, inputs)
    base : float
        The score without any input.
    scale : str
        ``log-odds``, ``probability``, ``amount`` or ``log of amount``: what the values add up to.
    largest_gap : float
        Greatest distance between the prediction they add up to and the pipeline's own.
    """

    values: Floats
    base: float
    scale: str
    largest_gap: float

    @property
    def scores(self) -> Floats:
        """Base and all values together, shape (rows,)."""
        return self.base + self.values.sum(axis=1)


def contributions(model: FittedModel, frame: pd.DataFrame, raw: Floats | None = None) -> Floats:
    """The contribution of each input to each row's risk, shape (rows, inputs); see ``explain``."""
    return explain(model, frame, raw).values


def explain(model: FittedModel, frame: pd.DataFrame, raw: Floats | None = None) -> Explanation:
    """Shapley values of each input, for the rows of a frame from ``model.frame``.

    Parameters
    ----------
    raw : array of shape (rows,), optional
        What ``model.raw`` gave for the frame, where the caller has it.

    Raises
    ------
    ModelError
        They do not add up to the model's own score.
    """
    if frame.empty:
        return Explanation(np.zeros(frame.shape), 0.0, LOG_ODDS, 0.0)
    if model.background is not None:
        added = shapley.of_any(
            lambda rows: log_odds(raw_prediction(model.pipeline, rows)),
            frame,
            model.background,
            model.problem.seed,
        )
        return Explanation(added.values, added.base, added.scale, check_adds_up(model, frame, added, raw))
    prepared = np.asarray(model.pipeline.named_steps["prepare"].transform(frame), dtype=np.float64)
    added = column_contributions(model, prepared)
    gap = check_adds_up(model, frame, added, raw)
    return Explanation(by_input(model, frame, added.values), added.base, added.scale, gap)


def column_contributions(model: FittedModel, prepared: Floats) -> Contributions:
    """The contribution of each prepared column, by the kind of estimator.

    Raises
    ------
    ModelError
        There is no exact method for the kind.
    """
    estimator = model.pipeline.named_steps["model"]
    match type(estimator).__name__:
        case "DummyClassifier":
            return shapley.of_nothing(estimator, prepared)
        case "RecencyRule":
            return shapley.of_rule(estimator, prepared)
        case "RepeatPurchase":
            odds = churn_log_odds(estimator)
            return shapley.of_few_columns(odds, prepared, model.prepared_means)
        case "RowwiseLogistic":
            return shapley.of_linear(estimator, prepared, model.prepared_means)
        case "DummyRegressor":
            return shapley.of_mean(estimator, prepared)
        case "ExpectedSpend":
            return shapley.of_few_columns(estimator.predict, prepared, model.prepared_means, AMOUNT)
        case "RowwiseRidge":
            return shapley.of_linear(estimator, prepared, model.prepared_means, AMOUNT)
        case "RowwiseTweedie":
            return shapley.of_linear(estimator, prepared, model.prepared_means, LOG)
        case "LGBMRegressor":
            return shapley.of_trees(estimator, prepared, LOG)
        case "XGBRegressor" | "RandomForestRegressor" | "HistGradientBoostingRegressor":
            return shapley.of_trees(estimator, prepared, AMOUNT)
        case "XGBClassifier" | "LGBMClassifier" | "HistGradientBoostingClassifier":
            return shapley.of_trees(estimator, prepared)
        case "DecisionTreeClassifier" | "RandomForestClassifier":
            return shapley.of_trees(estimator, prepared, PROBABILITY)
    raise ModelError(f"{model.kind} has no exact reasons: add a method for it in ml/explain/shapley.py")


def churn_log_odds(estimator: Any) -> Callable[[Floats], Floats]:
    """The log-odds of churn by a classifier, of prepared rows."""
    return lambda rows: log_odds(estimator.predict_proba(rows)[:, 1])


def check_adds_up(
    model: FittedModel, frame: pd.DataFrame, added: Contributions, raw: Floats | None = None
) -> float:
    """The largest distance between what the values add up to and the pipeline's own prediction.

    For amounts it is a share of the largest one.

    Raises
    ------
    ModelError
        It is greater than a rounding error.
    """
    total = added.base + added.values.sum(axis=1)
    prediction = model.raw(frame) if raw is None else raw
    unit = max(1.0, float(np.abs(prediction).max())) if added.scale in (AMOUNT, LOG) else 1.0
    gap = float(np.abs(INVERSE.get(added.scale, np.asarray)(total) - prediction).max()) / unit
    if not gap <= LARGEST_GAP:
        raise ModelError(
            f"the reasons of {model.version or model.kind} do not add up to its scores (they are off by "
            f"{gap:.2g}): run 'churn train' again"
        )
    return gap


def by_input(model: FittedModel, frame: pd.DataFrame, prepared: Floats) -> Floats:
    """Add up the prepared columns of each input.

    The columns of several streams together count with the stream of the last event, row by row: without that
    event the silence of all streams would be longer.
    """
    prepare = model.pipeline.named_steps["prepare"]
    values, rows = np.zeros((len(prepared), frame.shape[1])), np.arange(len(prepared))
    shared = shared_columns(prepare)
    latest = latest_stream(frame, shared)
    for column, name in enumerate(sources(prepare)):
        index = latest if column in shared.columns else frame.columns.get_loc(name)
        values[rows, index] += prepared[:, column]
    return values


class SharedColumns(NamedTuple):
    """Prepared columns of several streams together, and the input with each stream's silence."""

    columns: range
    silences: list[str]


def shared_columns(prepare: Any) -> SharedColumns:
    """Those of a fitted preparation; none where it has no such step."""
    transformer = prepare.named_steps["columns"] if isinstance(prepare, Pipeline) else prepare
    for step, _, names in transformer.transformers_:
        if step == ACTIVITY:
            columns = transformer.output_indices_[step]
            silences = [name for name in names if SILENCE.fullmatch(name)]
            return SharedColumns(range(columns.start, columns.stop), silences)
    return SharedColumns(range(0), [])


def latest_stream(frame: pd.DataFrame, shared: SharedColumns) -> NDArray[np.intp]:
    """For each row the index of the input with the shortest silence; the first where none is known."""
    if not shared.silences:
        return np.zeros(len(frame), dtype=np.intp)
    indices = np.array([frame.columns.get_loc(name) for name in shared.silences], dtype=np.intp)
    silences = frame[shared.silences].to_numpy(dtype=np.float64)
    return indices[np.argmin(np.where(np.isnan(silences), np.inf, silences), axis=1)]
