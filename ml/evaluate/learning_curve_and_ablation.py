"""The champion's recipe with less: fewer customers (learning curve), or without some features (ablation).

It is fitted on training rows, calibrated on the calibration rows, and measured on the selection rows, from
which the champion has learned but the recipe has not. The test part is not used, so that a change of the
model by these figures can still be judged there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ml.common.array_types import Floats
from ml.common.errors import ModelError
from ml.evaluate.bootstrapped_rows import Rows
from ml.evaluate.sampled_rows import share_of_customers
from ml.features.training_parts import Part, Parts
from ml.model.calibration import calibrate
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import raw_prediction
from ml.model.inputs import Input
from ml.model.own import REGISTERED
from ml.train.candidates import Candidate, make_candidate
from ml.train.churn_candidates import has_order_history
from ml.train.folds import Fold, LabelledRows

SHARES = (0.1, 0.25, 0.5, 1.0)
SAME_TREES = 0.5  # of the champion's rows; with fewer boosters stop by themselves
WHOLE, MANY = "", 20  # from so many features on a subject is divided into its aspects


def learning(
    model: ChurnModel, parts: Parts, whole: Floats | None, step: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The recipe on growing shares of the training customers, each of which contains the smaller ones.

    Parameters
    ----------
    whole : array or None
        Result of ``recipe_probability`` with all inputs and training rows.
    """
    rows, entries = Rows.of(parts.selection, model.problem), []
    for share in SHARES:
        part = share_of_customers(parts.train, share, model.problem.seed)
        step(f"learning from {len(part.table):,} rows")
        probability = whole if share == 1 else recipe_probability(model, model.inputs, part, parts)
        if probability is not None:
            size = {"share": share, "customers": int(part.facts()["customers"]), "rows": len(part.table)}
            entries.append(size | {"measures": rows.measures(probability)})
    return entries


def ablation(
    model: ChurnModel,
    parts: Parts,
    groups: Mapping[str, set[str]],
    whole: Floats | None,
    step: Callable[[str], None],
) -> list[dict[str, Any]]:
    """The recipe without each group of features in turn, against the whole recipe.

    Parameters
    ----------
    groups : mapping
        Result of ``feature_groups``.
    whole : array or None
        As for ``learning``.
    """
    if whole is None:
        return []
    groups = {WHOLE: set[str]()} | dict(groups)
    probabilities = {WHOLE: whole}
    for name, left_out in list(groups.items())[1:]:
        step(f"without {name}")
        inputs = [feature for feature in model.inputs if feature.name not in left_out]
        probability = recipe_probability(model, inputs, parts.train, parts)
        if probability is not None:
            probabilities[name] = probability
    replicates = Rows.of(parts.selection, model.problem).replicate(probabilities)
    return [
        {
            "subject": name,
            "features": len(left_out) or len(model.inputs),
            "measures": replicates.measures(name) if name in probabilities else None,
            "change": replicates.change(name, WHOLE) if name in probabilities else None,
        }
        for name, left_out in groups.items()
    ]


def feature_groups(
    names: Sequence[str], subjects: Mapping[str, str], aspects: Mapping[str, str]
) -> dict[str, set[str]]:
    """Each subject with its features, then each aspect of the subjects that have many."""
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(subjects[name], set()).add(name)
    for subject, features in list(groups.items()):
        if len(features) >= MANY:
            for name in (name for name in names if name in features):
                groups.setdefault(f"{subject}: {aspects[name]}", set()).add(name)
    return groups


def recipe_probability(model: ChurnModel, inputs: Sequence[Input], part: Part, parts: Parts) -> Floats | None:
    """Calibrated probabilities of the selection rows by the recipe; None where it cannot be fitted.

    Boosters grow as many trees as the champion from about as many rows; from much fewer rows they learn again
    when to stop, as so many trees would overfit.
    """
    both_classes = len(np.unique(part.labels)) == 2
    candidate = make_recipe(model, inputs, part) if both_classes and inputs else None
    if candidate is None:
        return None
    gap = model.problem.gap
    fold = Fold(LabelledRows.of(part, inputs), LabelledRows.of(parts.selection, inputs), gap)
    pipeline, selection = fold.trial(
        candidate, stopping=len(part.table) < SAME_TREES * rows_of_settings(model, part)
    )
    held_out = LabelledRows.of(parts.calibration, inputs)
    raw = raw_prediction(pipeline, held_out.frame)
    calibration = calibrate(held_out.labels, raw, model.calibration.kind, held_out.customers)
    return calibration.apply(selection)


def rows_of_settings(model: ChurnModel, part: Part) -> int:
    """The number of rows that the champion's settings are for; that of ``part`` if the manifest lacks it."""
    rows = model.facts["parts"]["train"]["rows"] if "parts" in model.facts else len(part.table)
    return int(rows)


def make_recipe(model: ChurnModel, inputs: Sequence[Input], part: Part) -> Candidate | None:
    """The champion, unfitted, for some inputs; None where it needs other inputs, or was fitted elsewhere."""
    rows = len(part.table)
    if model.kind == REGISTERED or (model.kind == "repeat_purchase" and not has_order_history(inputs)):
        return None
    try:
        candidate = make_candidate(model.kind, inputs, model.problem, rows)
    except ModelError:
        return None

    whole = make_candidate(model.kind, inputs, model.problem, rows_of_settings(model, part))
    usual, usual_now = whole.model.get_params(), candidate.model.get_params()
    return candidate.with_settings(scale_settings(model.facts.get("settings", {}), usual, usual_now))


def scale_settings(
    settings: Mapping[str, Any], usual: Mapping[str, Any], usual_now: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings for fewer rows: those whose usual value depends on the number of rows change like that value.

    A leaf of at least 2,000 rows is right for 200,000 rows, but leaves nothing to learn from 5,000.
    """
    settings_now = dict(settings)
    for name, value in settings.items():
        before, now = usual.get(name), usual_now.get(name)
        if before != now and isinstance(before, int | float) and isinstance(now, int | float):
            settings_now[name] = type(value)(value * now / before)
    return settings_now
