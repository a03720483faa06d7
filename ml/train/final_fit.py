"""The model that scores: the champion's recipe, learned once more from every row whose label is settled.

The champion is judged as it was when the test part was still unseen: the newest rows it learned from are then
older than the test part and the gap before it. So the same inputs, settings and number of trees learn again,
from the training, selection, calibration and test rows and from those between them. What comes out has seen
every label, so nothing is left to judge it by: the figures stay those of the judged model, which is kept
beside it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ml.common.array_types import Floats
from ml.common.sampling import evenly_spaced
from ml.config.problem import Problem
from ml.features.training_parts import Parts, settled_rows
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel, raw_prediction
from ml.model.own import REGISTERED, is_own
from ml.model.value_model import ValueModel, lowest_amount
from ml.train.calibration_choice import calibrate_over
from ml.train.candidates import Candidate
from ml.train.champion_choice import FittedCandidate, period_of
from ml.train.fitting import PreparedRows, fit
from ml.train.folds import LabelledRows, labels_for, span_of
from ml.train.tuning import settings_of

BACKGROUND_ROWS = 10  # the reasons of one row take 2 x 10 x (inputs + 1) scores
SETTLED = "settled"


def final_model(judged: FittedModel, champion: FittedCandidate, parts: Parts) -> FittedModel:
    """The model that scores; ``judged`` itself where the problem says so or it was fitted elsewhere.

    Parameters
    ----------
    judged : FittedModel
        The champion, evaluated on the test part.
    champion : FittedCandidate
        What it is made of, and the periods that chose its calibration.
    parts : Parts
    """
    if not judged.problem.refit or judged.kind == REGISTERED:
        return judged
    settled = settled_rows(parts, judged.problem.burn_in_days)
    rows = LabelledRows.of(settled, judged.inputs)
    candidate = champion.candidate
    candidate = candidate.with_settings(settings_of(candidate, candidate.model))
    pipeline = fit_anew(candidate, rows, judged.problem)
    background, means = starting_points(judged.kind, pipeline, rows.frame)
    learned = {"parts": SETTLED, **settled.facts(), **span_of(rows)}
    as_judged = judged.own_facts() | {"learned": judged.facts["learned"]}
    facts = judged.facts | {"learned": learned, "judged": as_judged}
    common: dict[str, Any] = {
        "pipeline": pipeline,
        "prepared_means": means,
        "background": background,
        "facts": facts,
    }
    if isinstance(judged, ValueModel):
        return replace(judged, lowest=lowest_amount(rows.labels), **common)
    assert isinstance(judged, ChurnModel)
    recent = [parts.calibration, parts.test]
    periods = [LabelledRows.of(part, judged.inputs) for part in recent]
    unseen = [period_of(each, raw_prediction(judged.pipeline, each.frame)) for each in periods]
    over = [*champion.periods, unseen[1]] if champion.periods else []
    calibration = calibrate_over(over, unseen[0].append(unseen[1]), judged.problem.calibration)
    return replace(judged, calibration=calibration, **common)


def fit_anew(candidate: Candidate, rows: LabelledRows, problem: Problem) -> Pipeline:
    """The candidate's pipeline, fitted on all rows with its settings as they are."""
    preparation = clone(candidate.pipeline.named_steps["prepare"])
    labels = labels_for(candidate, rows.labels)
    values = np.asarray(preparation.fit_transform(rows.frame, labels))
    return fit(candidate, preparation, PreparedRows(values, labels, rows.at, problem.gap), stopping=False)


def starting_points(kind: str, pipeline: Pipeline, frame: pd.DataFrame) -> tuple[pd.DataFrame | None, Floats]:
    """What reasons start from: some rows for an estimator of the user's own, else the mean prepared row."""
    if is_own(kind):
        return frame.iloc[evenly_spaced(len(frame), BACKGROUND_ROWS)].reset_index(drop=True), np.empty(0)
    prepared = pd.DataFrame(pipeline.named_steps["prepare"].transform(frame))
    return None, prepared.mean().fillna(0.0).to_numpy(dtype=np.float64)
