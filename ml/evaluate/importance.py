"""Permutation importance: what the model loses when one feature is shuffled among the rows.

Measured on the selection rows. Features that say nearly the same stand in for each other, so each alone may
look unimportant; the ablation by subject tells what they are worth together.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml.evaluate.measured import Interval, Rows
from ml.model.churn_model import ChurnModel
from ml.model.estimators import Floats
from ml.train.metrics import with_interval

SHUFFLES = 3
METRICS = ("log_loss", "roc_auc")


def importance(
    model: ChurnModel,
    frame: pd.DataFrame,
    rows: Rows,
    told: Mapping[str, Mapping[str, str]],
    step: Callable[[str], None],
) -> list[dict[str, Any]]:
    """What each input is worth, the most important first.

    Parameters
    ----------
    frame : DataFrame of shape (rows, inputs)
    told : mapping
        Feature to what else is said of it: subject, label.
    """
    whole = model.probability(frame)
    found = []
    for place, each in enumerate(model.inputs):
        step(f"shuffling {each.name}")
        shuffled = [
            model.probability(frame_without(frame, place, model.problem.seed + turn))
            for turn in range(SHUFFLES)
        ]
        loss, auc = lost(rows, whole, shuffled)
        found.append({"feature": each.name, **told[each.name], "loss": loss, "auc": auc})
    return sorted(found, key=lambda each: -each["loss"]["value"])


def frame_without(frame: pd.DataFrame, place: int, seed: int) -> pd.DataFrame:
    """The rows with one column shuffled among them."""
    order = np.random.default_rng(seed).permutation(len(frame))
    changed = frame.copy(deep=False)
    changed.isetitem(place, frame.iloc[:, place].to_numpy()[order])
    return changed


def lost(rows: Rows, whole: Floats, shuffled: list[Floats]) -> tuple[Interval, Interval]:
    """Log-loss gained and ROC-AUC lost, averaged over the shuffles, with intervals by customer."""
    if all(np.array_equal(each, whole) for each in shuffled):
        nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
        return nothing, nothing
    names = [str(turn) for turn in range(len(shuffled))]
    replicated = rows.replicated({"": whole} | dict(zip(names, shuffled, strict=True)), METRICS)
    intervals = []
    for metric, sign in zip(METRICS, (1.0, -1.0), strict=True):
        mean = float(np.mean([replicated.values[name][metric] for name in names]))
        value = mean - replicated.values[""][metric]
        drawn = np.mean([replicated.drawn[name][metric] for name in names], axis=0)
        intervals.append(with_interval(sign * value, sign * (drawn - replicated.drawn[""][metric])))
    return intervals[0], intervals[1]
