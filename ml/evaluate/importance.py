"""Permutation importance: what the model loses when one feature is shuffled among the rows.

Measured on the calibration rows, from which the model learned nothing but its level. Features that say nearly
the same stand in for each other, so each alone may look unimportant; the ablation by subject tells what they
are worth together.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml.common.arrays import Floats
from ml.evaluate.measured import Interval, Replicated, Rows
from ml.metrics.bootstrap import with_interval
from ml.model.churn_model import ChurnModel

SHUFFLES = 2
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
    whole, found = model.probability(frame), []
    before = rows.replicated({"": whole}, METRICS)
    for place, each in enumerate(model.inputs):
        step(f"shuffling {each.name}")
        shuffled = [
            model.probability(frame_without(frame, place, model.problem.seed + turn))
            for turn in range(SHUFFLES)
        ]
        if all(np.array_equal(each, whole) for each in shuffled):
            loss = auc = {"value": 0.0, "low": 0.0, "high": 0.0}
        else:
            loss, auc = lost(rows, before, shuffled)
        found.append({"feature": each.name, **told[each.name], "loss": loss, "auc": auc})
    return sorted(found, key=lambda each: -each["loss"]["value"])


def frame_without(frame: pd.DataFrame, place: int, seed: int) -> pd.DataFrame:
    """The rows with one column shuffled among them."""
    order = np.random.default_rng(seed).permutation(len(frame))
    changed = frame.copy(deep=False)
    changed.isetitem(place, frame.iloc[:, place].to_numpy()[order])
    return changed


def lost(rows: Rows, before: Replicated, shuffled: list[Floats]) -> tuple[Interval, Interval]:
    """Log-loss gained and ROC-AUC lost, averaged over the shuffles, with intervals by customer."""
    after = rows.replicated({str(turn): each for turn, each in enumerate(shuffled)}, METRICS)
    intervals = []
    for metric, sign in zip(METRICS, (1.0, -1.0), strict=True):
        mean = float(np.mean([values[metric] for values in after.values.values()]))
        drawn = np.mean([values[metric] for values in after.drawn.values()], axis=0)
        change, changes = mean - before.values[""][metric], drawn - before.drawn[""][metric]
        intervals.append(with_interval(sign * change, sign * changes))
    return intervals[0], intervals[1]
