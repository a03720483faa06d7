"""How much each input raises or lowers one customer's risk.

Exact for every champion but the forest: a linear model's terms, a booster's Shapley values, the recency
rule's own step, all in log-odds and adding up to the score. A forest's are by occlusion: how much the
probability falls when the input takes its typical value instead.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from xgboost import DMatrix

from ml.model.churn_model import ChurnModel, raw_probability
from ml.model.estimators import Floats, log_odds
from ml.model.preparation import sources

OCCLUDED = 12


def contributions(model: ChurnModel, frame: pd.DataFrame) -> Floats:
    """What each input adds to each row's risk; calibration rises, so signs and order hold after it.

    Parameters
    ----------
    model : ChurnModel
    frame : DataFrame of shape (rows, inputs)
        From ``model.frame``.

    Returns
    -------
    array of shape (rows, inputs)
    """
    if frame.empty:
        return np.zeros(frame.shape)
    return METHODS[model.kind](model, frame)


def nothing(model: ChurnModel, frame: pd.DataFrame) -> Floats:
    """The prior looks at nothing."""
    return np.zeros(frame.shape)


def step_of_rule(model: ChurnModel, frame: pd.DataFrame) -> Floats:
    """The recency rule's log-odds over the overall rate's, at the input that spoke."""
    prepare, rule = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    lateness = np.asarray(prepare.transform(frame), dtype=np.float64)
    step = log_odds(rule.predict_proba(lateness)[:, 1]) - log_odds(np.array([rule.rate_]))
    found = np.zeros(frame.shape)
    places = [frame.columns.get_loc(name) for name in sources(prepare)]
    spoke = rule.spoke(lateness)
    for column, place in enumerate(places):
        found[spoke == column, place] = step[spoke == column]
    return found


def linear_terms(model: ChurnModel, frame: pd.DataFrame) -> Floats:
    """Coefficient times distance from the training mean."""
    prepare, linear = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    prepared = np.asarray(prepare.transform(frame), dtype=np.float64)
    return by_input(model, frame, (prepared - model.prepared_means) * linear.coef_[0])


def shapley_values(model: ChurnModel, frame: pd.DataFrame) -> Floats:
    """Tree SHAP, exact for the booster (Lundberg et al., 2020)."""
    prepare, boosted = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    prepared = DMatrix(np.asarray(prepare.transform(frame), dtype=np.float64))
    values = boosted.get_booster().predict(prepared, pred_contribs=True)
    return by_input(model, frame, values[:, :-1].astype(np.float64))


def occlusion(model: ChurnModel, frame: pd.DataFrame) -> Floats:
    """Probability lost when an input takes its typical value; only the inputs that matter most are tried."""
    found = np.zeros(frame.shape)
    before = raw_probability(model.pipeline, frame)
    for place in most_important(model, frame):
        changed = frame.copy()
        changed.isetitem(place, [model.inputs[place].typical] * len(frame))
        found[:, place] = before - raw_probability(model.pipeline, changed)
    return found


def most_important(model: ChurnModel, frame: pd.DataFrame) -> NDArray[np.intp]:
    """Places of the inputs a forest splits on most."""
    importances = by_input(model, frame, model.pipeline.named_steps["model"].feature_importances_[None, :])[0]
    return np.argsort(-importances, kind="stable")[:OCCLUDED]


def by_input(model: ChurnModel, frame: pd.DataFrame, prepared: Floats) -> Floats:
    """Add up prepared columns, one after the other, at the input each comes from."""
    found = np.zeros((len(prepared), frame.shape[1]))
    for column, name in enumerate(sources(model.pipeline.named_steps["prepare"])):
        found[:, frame.columns.get_loc(name)] += prepared[:, column]
    return found


METHODS: dict[str, Callable[[ChurnModel, pd.DataFrame], Floats]] = {
    "prior": nothing,
    "recency_rule": step_of_rule,
    "logistic_regression": linear_terms,
    "random_forest": occlusion,
    "xgboost": shapley_values,
}
