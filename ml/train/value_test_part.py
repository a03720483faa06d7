"""The test part of a regression, evaluated once: metrics with intervals, coverage, and amounts by tenth."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ml.common.array_types import Floats
from ml.features.training_parts import Part
from ml.metrics.bootstrap import Replicates, customer_weights, with_interval
from ml.metrics.chance import MEAN
from ml.metrics.value_metrics import METRIC_NAMES
from ml.model.value_model import ValueModel
from ml.train.value_candidates import GAMMA_GAMMA

BASELINES = (MEAN, GAMMA_GAMMA)
TENTHS = 10


def judge_amounts(part: Part, predictions: Mapping[str, Floats], model: ValueModel) -> dict[str, Any]:
    """The evidence on the test part.

    Parameters
    ----------
    part : Part
        The test part.
    predictions : mapping
        Candidate to the predicted amount of each row.
    model : ValueModel
        The champion, with its intervals.

    Returns
    -------
    dict
        ``rows``, ``customers``, ``mean`` (amount); ``candidates``: name to metric to value, low, high;
        ``champion_minus``: baseline to metric to the same; ``intervals``: the stated coverage, the share of
        rows covered with its interval, and the median width; ``tenths``: for each tenth of the rows, from the
        highest prediction on, the mean prediction and the mean amount.
    """
    amount, champion = part.labels, model.kind
    replicates = Replicates.of(amount, predictions, part.customers, model.problem.seed, names=METRIC_NAMES)
    return part.facts() | {
        "candidates": {name: replicates.measures(name) for name in predictions},
        "champion_minus": {
            baseline: replicates.change(champion, baseline)
            for baseline in BASELINES
            if baseline in predictions and baseline != champion
        },
        "intervals": coverage_facts(part, predictions[champion], model),
        "tenths": tenths(amount, predictions[champion]),
    }


def coverage_facts(part: Part, prediction: Floats, model: ValueModel) -> dict[str, Any]:
    """Whether the prediction intervals cover as many amounts as they say."""
    low, high = model.ends(prediction)
    covered = ((part.labels >= low) & (part.labels <= high)).astype(float)
    shares = [
        weights @ covered / weights.sum(axis=1)
        for (weights,) in customer_weights([part.customers], [part.labels], model.problem.seed)
    ]
    return {
        "stated": model.intervals.coverage,
        "covered": with_interval(float(covered.mean()), np.concatenate(shares)),
        "median_width": float(np.median(high - low)),
    }


def tenths(amount: Floats, prediction: Floats) -> list[dict[str, float]]:
    """Mean prediction and mean amount of each tenth of the rows, from the highest prediction on."""
    order = np.argsort(-prediction, kind="stable")
    return [
        {"rows": len(rows), "predicted": float(prediction[rows].mean()), "amount": float(amount[rows].mean())}
        for rows in np.array_split(order, TENTHS)
        if len(rows)
    ]
