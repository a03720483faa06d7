"""Permutation importance: how much worse the model is when one feature is shuffled among the rows.

It is measured on the calibration rows, from which the model learned only its calibration. Correlated features
replace each other, so one alone may look unimportant; the ablation by subject shows their joint importance.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml.common.array_types import Floats
from ml.evaluate.bootstrapped_rows import Rows
from ml.metrics.bootstrap import Interval, Replicates, with_interval
from ml.model.churn_model import ChurnModel

SHUFFLES = 2  # per feature, averaged; each costs one scoring of all rows
METRICS = ("log_loss", "roc_auc")


def importance(
    model: ChurnModel,
    frame: pd.DataFrame,
    rows: Rows,
    descriptions: Mapping[str, Mapping[str, str]],
    step: Callable[[str], None],
) -> list[dict[str, Any]]:
    """The importance of each input, the greatest first.

    Parameters
    ----------
    frame : DataFrame of shape (rows, inputs)
    descriptions : mapping
        Feature to its subject and label.
    """
    probability, entries = model.probability(frame), []
    before = rows.replicate({"": probability}, METRICS)
    for column, feature in enumerate(model.inputs):
        step(f"shuffling {feature.name}")
        shuffled = [
            model.probability(shuffle_column(frame, column, model.problem.seed + shuffle))
            for shuffle in range(SHUFFLES)
        ]
        if all(np.array_equal(after, probability) for after in shuffled):
            loss = auc = {"value": 0.0, "low": 0.0, "high": 0.0}
        else:
            loss, auc = losses(rows, before, shuffled)
        entries.append({"feature": feature.name, **descriptions[feature.name], "loss": loss, "auc": auc})
    return sorted(entries, key=lambda entry: -entry["loss"]["value"])


def shuffle_column(frame: pd.DataFrame, column: int, seed: int) -> pd.DataFrame:
    order = np.random.default_rng(seed).permutation(len(frame))
    shuffled = frame.copy(deep=False)
    shuffled.isetitem(column, frame.iloc[:, column].to_numpy()[order])
    return shuffled


def losses(rows: Rows, before: Replicates, shuffled: list[Floats]) -> tuple[Interval, Interval]:
    """Log-loss added and ROC-AUC lost, averaged over the shuffles, with intervals by customer."""
    after = rows.replicate({str(number): array for number, array in enumerate(shuffled)}, METRICS)
    intervals = []
    for metric, sign in zip(METRICS, (1.0, -1.0), strict=True):
        value = float(np.mean([values[metric] for values in after.values.values()]))
        draws = np.mean([values[metric] for values in after.draws.values()], axis=0)
        change, changes = value - before.values[""][metric], draws - before.draws[""][metric]
        intervals.append(with_interval(sign * change, sign * changes))
    return intervals[0], intervals[1]
