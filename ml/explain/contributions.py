"""How much each input raises or lowers one customer's risk: Shapley values of the raw score.

Exact for the shipped candidates, sampled for estimators of one's own.

Checked to add up to the score the customer got. Calibration rises, so signs and order hold after it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.pipeline import Pipeline

from ml.common.arrays import Floats
from ml.common.errors import ModelError
from ml.explain import shapley
from ml.explain.shapley import LOG_ODDS, Added
from ml.model.activity import SILENCE
from ml.model.churn_model import ChurnModel, raw_probability
from ml.model.preparation import sources
from ml.model.probability import log_odds

LARGEST_GAP = 1e-4
ACTIVITY = "activity"


@dataclass(frozen=True)
class Explanation:
    """What each input adds to each row's raw score.

    Parameters
    ----------
    values : array of shape (rows, inputs)
    base : float
        The score of knowing nothing.
    scale : str
        ``log-odds`` or ``probability``: what the values add up to.
    largest_gap : float
        Greatest distance between the probability they add up to and the pipeline's own.
    """

    values: Floats
    base: float
    scale: str
    largest_gap: float

    @property
    def scores(self) -> Floats:
        """Base and all values together, shape (rows,)."""
        return self.base + self.values.sum(axis=1)


def contributions(model: ChurnModel, frame: pd.DataFrame) -> Floats:
    """What each input adds to each row's risk, shape (rows, inputs); see ``explain``."""
    return explain(model, frame).values


def explain(model: ChurnModel, frame: pd.DataFrame) -> Explanation:
    """Shapley values of each input, for the rows of a frame from ``model.frame``.

    Raises
    ------
    ModelError
        They do not add up to the model's own score.
    """
    if frame.empty:
        return Explanation(np.zeros(frame.shape), 0.0, LOG_ODDS, 0.0)
    if model.background is not None:
        added = shapley.of_any(score_of(model), frame, model.background, model.problem.seed)
        return Explanation(added.values, added.base, added.scale, check_adds_up(model, frame, added))
    prepared = np.asarray(model.pipeline.named_steps["prepare"].transform(frame), dtype=np.float64)
    added = added_by(model, prepared)
    gap = check_adds_up(model, frame, added)
    return Explanation(by_input(model, frame, added.values), added.base, added.scale, gap)


def score_of(model: ChurnModel) -> Callable[[pd.DataFrame], Floats]:
    """The log-odds of the pipeline's own probability of each row."""
    return lambda frame: log_odds(raw_probability(model.pipeline, frame))


def added_by(model: ChurnModel, prepared: Floats) -> Added:
    """What each prepared column adds, by the kind of estimator.

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
            return shapley.of_few(estimator, prepared, model.prepared_means)
        case "RowwiseLogistic":
            return shapley.of_linear(estimator, prepared, model.prepared_means)
        case "XGBClassifier":
            return shapley.of_booster(estimator, prepared)
        case "LGBMClassifier":
            return shapley.of_lightgbm(estimator, prepared)
        case "DecisionTreeClassifier" | "RandomForestClassifier" | "HistGradientBoostingClassifier":
            return shapley.of_trees(estimator, prepared)
    raise ModelError(f"{model.kind} has no exact reasons: add a method for it in ml/explain/shapley.py")


def check_adds_up(model: ChurnModel, frame: pd.DataFrame, added: Added) -> float:
    """The largest distance between what the values add up to and the pipeline's own probability.

    Raises
    ------
    ModelError
        It is more than rounding can explain.
    """
    total = added.base + added.values.sum(axis=1)
    said = expit(total) if added.scale == LOG_ODDS else total
    gap = float(np.abs(said - raw_probability(model.pipeline, frame)).max())
    if not gap <= LARGEST_GAP:
        raise ModelError(
            f"the reasons of {model.version or model.kind} do not add up to its scores (they are off by "
            f"{gap:.2g}): run 'churn train' again"
        )
    return gap


def by_input(model: ChurnModel, frame: pd.DataFrame, prepared: Floats) -> Floats:
    """Add up prepared columns, one after the other, at the input each comes from.

    What all streams of events say together is the doing of the one that was seen last: had it been silent,
    the silence would be longer. So it counts with that stream's silence, row by row.
    """
    prepare = model.pipeline.named_steps["prepare"]
    found, rows = np.zeros((len(prepared), frame.shape[1])), np.arange(len(prepared))
    shared = together(prepare)
    seen_last = last_seen(frame, shared)
    for column, name in enumerate(sources(prepare)):
        place = seen_last if column in shared.columns else frame.columns.get_loc(name)
        found[rows, place] += prepared[:, column]
    return found


class Together(NamedTuple):
    """Prepared columns that several streams make together, and the inputs that tell each one's silence."""

    columns: range
    silences: list[str]


def together(prepare: Any) -> Together:
    """Those of a fitted preparation; none where it has no such step."""
    transformer = prepare.named_steps["columns"] if isinstance(prepare, Pipeline) else prepare
    for part, _, names in transformer.transformers_:
        if part == ACTIVITY:
            made = transformer.output_indices_[part]
            return Together(range(made.start, made.stop), [name for name in names if SILENCE.fullmatch(name)])
    return Together(range(0), [])


def last_seen(frame: pd.DataFrame, shared: Together) -> NDArray[np.intp]:
    """For each row the place of the input whose silence is shortest; the first where none is known."""
    if not shared.silences:
        return np.zeros(len(frame), dtype=np.intp)
    places = np.array([frame.columns.get_loc(name) for name in shared.silences], dtype=np.intp)
    silences = frame[shared.silences].to_numpy(dtype=np.float64)
    return places[np.argmin(np.where(np.isnan(silences), np.inf, silences), axis=1)]
