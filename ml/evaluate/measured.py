"""Rows that can be measured: what came of them, whose they are, and the replicates all figures share.

Every interval of the evidence comes from here: the middle 95 % of 200 replicates that draw customers, not
rows, so that figures on the same rows are paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.arrays import Floats
from ml.config.problem import Problem
from ml.decision.profit import profit
from ml.features.parts import Part
from ml.metrics.bootstrap import bootstrap, customer_weights, with_interval
from ml.metrics.scores import METRIC_NAMES, measure

Interval = dict[str, float]
Measures = dict[str, Interval]
LEAST_OF_A_CLASS = 20


@dataclass(frozen=True)
class Rows:
    """What came of each row, and whose it is.

    Parameters
    ----------
    churned : array of shape (rows,)
    customers : array of shape (rows,)
    problem : Problem
        Its costs and seed.
    """

    churned: Floats
    customers: NDArray[Any]
    problem: Problem

    @classmethod
    def of(cls, part: Part, problem: Problem) -> "Rows":
        """The rows of a part."""
        return cls(part.churned, np.unique(part.customers, return_inverse=True)[1], problem)

    def only(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Some of the rows."""
        return Rows(self.churned[chosen], self.customers[chosen], self.problem)

    @property
    def facts(self) -> dict[str, Any]:
        """How many rows, of how many customers, and their churn rate."""
        return {
            "rows": len(self.churned),
            "customers": len(np.unique(self.customers)),
            "base_rate": float(self.churned.mean()) if len(self.churned) else None,
        }

    @cached_property
    def measurable(self) -> bool:
        """Whether both classes have rows enough for a metric to mean something."""
        churned = int(self.churned.sum())
        return min(churned, len(self.churned) - churned) >= LEAST_OF_A_CLASS

    def weights(self) -> Iterator[Floats]:
        """Row weights of the replicates, in slices."""
        for (weights,) in customer_weights([self.customers], [self.churned], self.problem.seed):
            yield weights

    def measures(self, probability: Floats, names: Sequence[str] = METRIC_NAMES) -> Measures:
        """Every metric with its interval."""
        return self.replicated({"": probability}, names).measures("")

    def replicated(
        self, probabilities: Mapping[str, Floats], names: Sequence[str] = METRIC_NAMES
    ) -> "Replicated":
        """Every metric of each of several probabilities, in the same replicates."""
        costs = self.problem.costs
        values = {
            each: {
                metric: float(found[0])
                for metric, found in measure(self.churned, probability, costs=costs, names=names).items()
            }
            for each, probability in probabilities.items()
        }
        drawn = bootstrap(
            self.churned, probabilities, self.customers, self.problem.seed, costs=costs, names=names
        )
        return Replicated(values, drawn)

    def sums(self, columns: Floats) -> tuple[Floats, Floats]:
        """Column sums of ``columns`` (rows, k): of the rows, shape (k,), and of the replicates, (200, k)."""
        return columns.sum(axis=0), np.concatenate([weights @ columns for weights in self.weights()])

    def list_facts(self, listed: NDArray[np.bool_]) -> dict[str, Interval | None]:
        """Share listed, recall, precision and profit, with intervals; no precision when nobody is listed."""
        columns = np.column_stack([np.ones(len(listed)), self.churned, listed, listed * self.churned])
        one, many = self.sums(columns.astype(np.float64))
        return {
            "listed": ratio(one, many, 2, 0),
            "recall": ratio(one, many, 3, 1),
            "precision": ratio(one, many, 3, 2),
            "profit": self.profit_interval(one[3], one[2], many[:, 3], many[:, 2]),
        }

    def profit_interval(self, hits: Any, listed: Any, drawn_hits: Floats, drawn_listed: Floats) -> Interval:
        """Profit of a list, all rows together."""
        costs = self.problem.costs
        return with_interval(float(profit(hits, listed, costs)), profit(drawn_hits, drawn_listed, costs))


@dataclass(frozen=True)
class Replicated:
    """Metrics of several probabilities by name: on the rows, and in the replicates they share."""

    values: Mapping[str, Mapping[str, float]]
    drawn: Mapping[str, Mapping[str, Floats]]

    def measures(self, name: str) -> Measures:
        """The metrics of one."""
        drawn = self.drawn[name]
        return {
            metric: with_interval(value, drawn[metric], metric) for metric, value in self.values[name].items()
        }

    def change(self, name: str, other: str) -> Measures:
        """The metrics of one minus those of another."""
        return {
            metric: with_interval(
                value - self.values[other][metric], self.drawn[name][metric] - self.drawn[other][metric]
            )
            for metric, value in self.values[name].items()
        }


def ratio(one: Floats, many: Floats, above: int, below: int) -> Interval | None:
    """One sum over another, with its interval; None where there is nothing below."""
    if not one[below]:
        return None
    drawn = np.divide(
        many[:, above], many[:, below], out=np.full(len(many), np.nan), where=many[:, below] > 0
    )
    return with_interval(one[above] / one[below], drawn[np.isfinite(drawn)])
