"""Rows with their labels and customers, and the bootstrap replicates that all figures on them share.

Every interval of the evidence comes from here: the middle 95 % of 200 replicates that draw customers, not
rows. Figures on the same rows are paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.config.problem import Problem
from ml.decision.contact_profit import profit
from ml.features.training_parts import Part
from ml.metrics.bootstrap import Interval, Measures, Replicates, customer_weights, with_interval
from ml.metrics.probability_metrics import METRIC_NAMES

LEAST_OF_A_CLASS = 20  # rows; with fewer an interval would be too wide to be of use


@dataclass(frozen=True)
class Rows:
    """The label and the customer of each row.

    Parameters
    ----------
    churned : array of shape (rows,)
    customers : array of shape (rows,)
    problem : Problem
        For its costs and seed.
    """

    churned: Floats
    customers: NDArray[Any]
    problem: Problem

    @classmethod
    def of(cls, part: Part, problem: Problem) -> "Rows":
        return cls(part.labels, np.unique(part.customers, return_inverse=True)[1], problem)

    def take(self, mask: NDArray[np.bool_]) -> "Rows":
        return Rows(self.churned[mask], self.customers[mask], self.problem)

    @property
    def facts(self) -> dict[str, Any]:
        """Number of rows and customers, and the churn rate."""
        return {
            "rows": len(self.churned),
            "customers": len(np.unique(self.customers)),
            "base_rate": float(self.churned.mean()) if len(self.churned) else None,
        }

    @cached_property
    def measurable(self) -> bool:
        """Whether both classes have enough rows for a metric."""
        churned = int(self.churned.sum())
        return min(churned, len(self.churned) - churned) >= LEAST_OF_A_CLASS

    def weights(self) -> Iterator[Floats]:
        """Row weights of the replicates, in slices."""
        for (weights,) in customer_weights([self.customers], [self.churned], self.problem.seed):
            yield weights

    def measures(self, probability: Floats, names: Sequence[str] = METRIC_NAMES) -> Measures:
        return self.replicate({"": probability}, names).measures("")

    def replicate(
        self, probabilities: Mapping[str, Floats], names: Sequence[str] = METRIC_NAMES
    ) -> Replicates:
        """Every metric of each of several probabilities, in the same replicates."""
        problem = self.problem
        return Replicates.of(
            self.churned, probabilities, self.customers, problem.seed, costs=problem.costs, names=names
        )

    def sums(self, columns: Floats) -> tuple[Floats, Floats]:
        """Column sums of ``columns`` (rows, k): of the rows, shape (k,), and of the replicates, (200, k)."""
        return columns.sum(axis=0), np.concatenate([weights @ columns for weights in self.weights()])

    def decision_facts(self, flagged: NDArray[np.bool_]) -> dict[str, Interval | None]:
        """Share flagged, recall, precision and profit of all rows, with intervals.

        Precision is None when no row is flagged.
        """
        columns = np.column_stack([np.ones(len(flagged)), self.churned, flagged, flagged * self.churned])
        sums, draws = self.sums(columns.astype(np.float64))
        costs = self.problem.costs
        return {
            "listed": ratio(sums, draws, 2, 0),
            "recall": ratio(sums, draws, 3, 1),
            "precision": ratio(sums, draws, 3, 2),
            "profit": with_interval(
                float(profit(sums[3], sums[2], costs)), profit(draws[:, 3], draws[:, 2], costs)
            ),
        }


def ratio(sums: Floats, draws: Floats, above: int, below: int) -> Interval | None:
    """One sum over another, with its interval; None where the other is 0."""
    if not sums[below]:
        return None
    nonzero = draws[:, below] > 0
    return with_interval(sums[above] / sums[below], draws[nonzero, above] / draws[nonzero, below])
