"""Refit: from training and selection rows, with the settings that were tried, from nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from ml.common.array_types import Floats
from ml.features.training_parts import learned_rows
from ml.model.fitted_model import raw_prediction
from ml.train.folds import Fold, LabelledRows
from ml.train.refit import refit_all
from tests.ml.conftest import PROBLEM, Workshop

pytestmark = pytest.mark.subjects("ml/train", "ml/evaluate")

NAMES = ("logistic_regression", "xgboost", "lightgbm", "hist_gradient_boosting")
TREES = {"xgboost": "n_estimators", "lightgbm": "n_estimators", "hist_gradient_boosting": "max_iter"}


def said(workshop: Workshop, name: str, fold: Fold, held_out: LabelledRows) -> Floats:
    """What a candidate that refitted says of the test rows, before calibration."""
    trials = [each for each in workshop.trials if each.candidate.name == name]
    (ready,) = refit_all(trials, [fold], held_out, PROBLEM, lambda title: None)
    return raw_prediction(
        ready.candidate.pipeline, LabelledRows.of(workshop.parts.test, workshop.inputs).frame
    )


def turned(rows: LabelledRows) -> LabelledRows:
    """The same rows with every label the other way round."""
    return replace(rows, labels=1 - rows.labels)


@pytest.mark.parametrize("name", NAMES)
def test_selection_rows_teach_and_calibration_rows_do_not(workshop: Workshop, name: str) -> None:
    last, held_out = workshop.folds[-1], LabelledRows.of(workshop.parts.calibration, workshop.inputs)
    usual = said(workshop, name, last, held_out)
    assert np.array_equal(said(workshop, name, last, turned(held_out)), usual)
    assert not np.array_equal(
        said(workshop, name, replace(last, validation=turned(last.validation)), held_out), usual
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_plain_fit_of_both_parts_with_the_settings_that_were_tried(
    workshop: Workshop, name: str
) -> None:
    rows = LabelledRows.of(learned_rows(workshop.parts), workshop.inputs)
    test = LabelledRows.of(workshop.parts.test, workshop.inputs).frame
    trial = next(each for each in workshop.trials if each.candidate.name == name)
    settings: dict[str, Any] = {}
    if name in TREES:
        grown = trial.pipeline.named_steps["model"].get_params()[TREES[name]]
        settings = {f"model__{TREES[name]}": grown, **({"model__n_jobs": 1} if name != NAMES[-1] else {})}
    by_hand = clone(trial.candidate.pipeline).set_params(**settings)
    by_hand.fit(rows.frame, rows.labels.astype(int))
    expected = raw_prediction(by_hand, test)
    ready = next(each for each in workshop.ready if each.candidate.name == name)
    np.testing.assert_allclose(raw_prediction(ready.candidate.pipeline, test), expected, atol=1e-9)


def test_the_card_says_what_it_learned_from(trained: tuple[Any, dict[str, Any]]) -> None:
    _, told = trained
    parts, learned = told["parts"], told["judged"]["learned"]
    assert learned["parts"] == ["train", "selection"]
    assert learned["rows"] == parts["train"]["rows"] + parts["selection"]["rows"]
    churners = sum(parts[name]["rows"] * parts[name]["base_rate"] for name in learned["parts"])
    assert learned["base_rate"] == pytest.approx(churners / learned["rows"])
