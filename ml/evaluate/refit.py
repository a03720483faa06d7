"""The champion's recipe with less: fewer customers (learning curve), or without some features (ablation).

Fitted on training rows, calibrated on the calibration rows, measured on the selection rows, from which the
champion has learned but the recipe has not; the test part is not touched, so that what these figures tempt
one to change can still be judged there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ml.common.arrays import Floats
from ml.common.errors import ModelError
from ml.evaluate.measured import Rows
from ml.evaluate.sample import share_of_customers
from ml.features.parts import Part, Parts
from ml.model.calibration import calibrate
from ml.model.churn_model import ChurnModel, raw_probability
from ml.model.inputs import Input
from ml.model.own import REGISTERED
from ml.train.candidates import (
    THREADS,
    WORTH_THREADS,
    Candidate,
    has_order_history,
    make_candidate,
    use_threads,
)
from ml.train.folds import Fold, LabelledRows

SHARES = (0.1, 0.25, 0.5, 1.0)
SAME_TREES = 0.5
WHOLE, MANY = "", 20


def learning(
    model: ChurnModel, parts: Parts, whole: Floats | None, step: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The recipe on a growing share of the training customers; each smaller one lies in the next.

    Parameters
    ----------
    whole : array or None
        Probabilities of the selection rows by the recipe with everything, as ``refitted`` gives them.
    """
    rows, found = Rows.of(parts.selection, model.problem), []
    for share in SHARES:
        part = share_of_customers(parts.train, share, model.problem.seed)
        step(f"learning from {len(part.table):,} rows")
        probability = whole if share == 1 else refitted(model, model.inputs, part, parts)
        if probability is not None:
            size = {"share": share, "customers": int(part.facts()["customers"]), "rows": len(part.table)}
            found.append(size | {"measures": rows.measures(probability)})
    return found


def ablation(
    model: ChurnModel,
    parts: Parts,
    groups: Mapping[str, set[str]],
    whole: Floats | None,
    step: Callable[[str], None],
) -> list[dict[str, Any]]:
    """The recipe without one group of features after the other, against the whole.

    Parameters
    ----------
    groups : mapping
        As ``groups_of`` gives them.
    whole : array or None
        As for ``learning``.
    """
    if whole is None:
        return []
    groups = {WHOLE: set[str]()} | dict(groups)
    probabilities = {WHOLE: whole}
    for name, left_out in list(groups.items())[1:]:
        step(f"without {name}")
        kept = [each for each in model.inputs if each.name not in left_out]
        given = refitted(model, kept, parts.train, parts)
        if given is not None:
            probabilities[name] = given
    replicated = Rows.of(parts.selection, model.problem).replicated(probabilities)
    return [
        {
            "subject": name,
            "features": len(left_out) or len(model.inputs),
            "measures": replicated.measures(name) if name in probabilities else None,
            "change": replicated.change(name, WHOLE) if name in probabilities else None,
        }
        for name, left_out in groups.items()
    ]


def groups_of(
    names: Sequence[str], subjects: Mapping[str, str], aspects: Mapping[str, str]
) -> dict[str, set[str]]:
    """Each subject with its features, then each aspect of the subjects that have many."""
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(subjects[name], set()).add(name)
    for subject, features in list(found.items()):
        if len(features) >= MANY:
            for name in (name for name in names if name in features):
                found.setdefault(f"{subject}: {aspects[name]}", set()).add(name)
    return found


def refitted(model: ChurnModel, inputs: Sequence[Input], part: Part, parts: Parts) -> Floats | None:
    """Calibrated probabilities of the selection rows by the recipe; None where so little is not enough.

    Boosters grow as many trees as the champion from about as many rows; from much fewer they learn once more
    when to stop, since what suits many rows would learn few of them by heart.
    """
    candidate = recipe(model, inputs, part) if has_both_classes(part) and inputs else None
    if candidate is None:
        return None
    gap = model.problem.gap
    fold = Fold(LabelledRows.of(part, inputs), LabelledRows.of(parts.selection, inputs), gap)
    pipeline, asked = fold.trial(candidate, stopping=len(part.table) < SAME_TREES * rows_tried(model, part))
    held_out = LabelledRows.of(parts.calibration, inputs)
    raw = raw_probability(pipeline, held_out.frame)
    calibration = calibrate(held_out.churned, raw, model.problem.calibration, held_out.customers)
    return calibration.apply(asked)


def has_both_classes(part: Part) -> bool:
    """Whether there is anything to learn."""
    return len(np.unique(part.churned)) == 2


def rows_tried(model: ChurnModel, part: Part) -> int:
    """How many rows the champion's settings were found on; those of ``part`` where nobody wrote it down."""
    found = model.facts["parts"]["train"]["rows"] if "parts" in model.facts else len(part.table)
    return int(found)


def recipe(model: ChurnModel, inputs: Sequence[Input], part: Part) -> Candidate | None:
    """The champion, unfitted, for some inputs; None where it needs others, or was fitted elsewhere."""
    rows = len(part.table)
    if model.kind == REGISTERED or (model.kind == "repeat_purchase" and not has_order_history(inputs)):
        return None
    try:
        candidate = make_candidate(model.kind, inputs, model.problem, rows)
    except ModelError:
        return None
    use_threads(candidate.pipeline, THREADS if rows >= WORTH_THREADS else 1)
    whole = make_candidate(model.kind, inputs, model.problem, rows_tried(model, part))
    usual, usual_now = whole.model.get_params(), candidate.model.get_params()
    return candidate.with_settings(scaled(model.facts.get("settings", {}), usual, usual_now))


def scaled(
    settings: Mapping[str, Any], usual: Mapping[str, Any], usual_now: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings for fewer rows: those whose usual value follows the number of rows change as that does.

    A leaf of at least 2,000 rows suits 200,000 of them, and leaves nothing to learn from 5,000.
    """
    found = dict(settings)
    for name, value in settings.items():
        before, now = usual.get(name), usual_now.get(name)
        if before != now and isinstance(before, int | float) and isinstance(now, int | float):
            found[name] = type(value)(value * now / before)
    return found
