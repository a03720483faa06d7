"""Metrics by their names, of probabilities or of amounts."""

from collections.abc import Sequence

from ml.common.array_types import Floats
from ml.config.problem import Costs
from ml.metrics import value_metrics
from ml.metrics.probability_metrics import LOWER_IS_BETTER as LOWER_PROBABILITY_METRICS
from ml.metrics.probability_metrics import METRIC_NAMES, measure_probabilities
from ml.metrics.value_metrics import measure_amounts

LOWER_IS_BETTER = LOWER_PROBABILITY_METRICS | value_metrics.LOWER_IS_BETTER


def measure(
    labels: Floats,
    predictions: Floats,
    weights: Floats | None = None,
    *,
    costs: Costs | None = None,
    names: Sequence[str] = METRIC_NAMES,
) -> dict[str, Floats]:
    """Each metric, once for each row of ``weights``; all are of one task.

    Parameters
    ----------
    labels, predictions : arrays of shape (rows,)
        Who churned and probabilities, or amounts and predicted amounts.
    weights : array of shape (replicates, rows), optional
        Ones by default.
    costs : Costs, optional
        Of the profit; by default ``Costs()``.
    names : sequence of str
        See ``measure_probabilities`` and ``measure_amounts``.

    Returns
    -------
    dict of arrays of shape (replicates,)
    """
    if set(names) <= set(value_metrics.METRIC_NAMES):
        return measure_amounts(labels, predictions, weights, names)
    return measure_probabilities(labels, predictions, weights, costs=costs, names=names)
