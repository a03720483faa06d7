"""Intervals of metrics by a bootstrap of customers.

A replicate draws customers, not rows: the rows of a customer at neighbouring cut-offs are nearly equal, so
drawing rows would make every interval too narrow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.config.problem import Costs
from ml.metrics.measure import measure
from ml.metrics.probability_metrics import METRIC_NAMES

Interval = dict[str, float]
Measures = dict[str, Interval]
BIASED_UPWARDS = frozenset({"ece"})  # sampling noise only adds to it
REPLICATES = 200  # a 95 % interval has five of them on either side
CELLS_AT_ONCE = 4_000_000  # weights in memory at one time, of all samples together


def customer_weights(
    customers: Sequence[NDArray[Any]],
    labels: Sequence[Floats],
    seed: int,
    replicates: int = REPLICATES,
    cells_at_once: int = CELLS_AT_ONCE,
) -> Iterator[list[Floats]]:
    """Row weights of a bootstrap by customer: for some replicates at a time, those of each sample of rows.

    A customer has the same weight in every sample. In a replicate in which a sample has one label only, no
    metric is defined, so all rows of the sample weigh one.

    Parameters
    ----------
    customers, labels : sequence of arrays of shape (rows of the sample,)
        For each sample, the customer and the label of each row.

    Yields
    ------
    list of arrays of shape (some replicates, rows of the sample)
    """
    _, codes = np.unique(np.concatenate(customers), return_inverse=True)
    of_sample = np.split(codes, np.cumsum([len(rows) for rows in customers])[:-1])
    number = int(codes.max()) + 1
    generator = np.random.default_rng(seed)
    at_once = max(1, cells_at_once // len(codes))
    for start in range(0, replicates, at_once):
        counts = [
            np.bincount(generator.integers(number, size=number), minlength=number)
            for _ in range(min(at_once, replicates - start))
        ]
        weights = np.stack(counts).astype(np.float64)
        yield [
            with_different_labels(weights[:, rows], of_rows)
            for rows, of_rows in zip(of_sample, labels, strict=True)
        ]


def with_different_labels(weights: Floats, labels: Floats) -> Floats:
    """The weights, with ones in the replicates in which all labels are the lowest, or all the highest."""
    lowest, highest = weights @ (labels == labels.min()), weights @ (labels == labels.max())
    total = weights.sum(axis=1)
    weights[(lowest == total) | (highest == total)] = 1.0
    return weights


def bootstrap(
    labels: Floats,
    predictions: Mapping[str, Floats],
    customers: NDArray[Any],
    seed: int,
    *,
    costs: Costs | None = None,
    names: Sequence[str] = METRIC_NAMES,
) -> dict[str, dict[str, Floats]]:
    """Each metric of every candidate in the same replicates, so that differences are paired.

    Returns
    -------
    dict
        Candidate name to metric name to array of shape (replicates,).
    """
    slices: dict[str, list[dict[str, Floats]]] = {name: [] for name in predictions}
    for (weights,) in customer_weights([customers], [labels], seed):
        for name, prediction in predictions.items():
            slices[name].append(measure(labels, prediction, weights, costs=costs, names=names))
    return {
        name: {metric: np.concatenate([values[metric] for values in of_name]) for metric in names}
        for name, of_name in slices.items()
    }


def with_interval(value: float, replicates: Floats, metric: str = "") -> dict[str, float]:
    """A value with the middle 95 % of its bootstrap replicates.

    Sampling noise only adds to a calibration error, in the value and once more in every replicate. The mean
    addition of the replicates is subtracted from the value, and the interval is mirrored at the value (basic
    bootstrap; Davison and Hinkley, 1997); neither is below 0.
    """
    if metric in BIASED_UPWARDS:
        value, replicates = 2 * value - float(replicates.mean()), 2 * value - replicates
        value, replicates = max(value, 0.0), np.maximum(replicates, 0.0)
    low, high = np.quantile(replicates, (0.025, 0.975))
    return {"value": float(value), "low": float(low), "high": float(high)}


@dataclass(frozen=True)
class Replicates:
    """Metrics of several predictions by name: ``values`` on the rows, ``draws`` in the same replicates."""

    values: Mapping[str, Mapping[str, float]]
    draws: Mapping[str, Mapping[str, Floats]]

    @classmethod
    def of(
        cls,
        labels: Floats,
        predictions: Mapping[str, Floats],
        customers: NDArray[Any],
        seed: int,
        *,
        costs: Costs | None = None,
        names: Sequence[str] = METRIC_NAMES,
    ) -> Self:
        """See ``bootstrap``."""
        values = {
            name: {
                metric: float(of_rows[0])
                for metric, of_rows in measure(labels, prediction, costs=costs, names=names).items()
            }
            for name, prediction in predictions.items()
        }
        return cls(values, bootstrap(labels, predictions, customers, seed, costs=costs, names=names))

    def measures(self, name: str) -> Measures:
        """The metrics of one, with intervals."""
        draws = self.draws[name]
        return {
            metric: with_interval(value, draws[metric], metric) for metric, value in self.values[name].items()
        }

    def change(self, name: str, other: str, metrics: Sequence[str] = ()) -> Measures:
        """The metrics of one minus those of another, with intervals; all of them unless some are named."""
        return {
            metric: with_interval(
                self.values[name][metric] - self.values[other][metric],
                self.draws[name][metric] - self.draws[other][metric],
            )
            for metric in metrics or self.values[name]
        }
