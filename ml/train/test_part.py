"""The test part, evaluated once: every candidate's metrics with intervals, champion against recency rule."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ml.common.array_types import Floats
from ml.config.problem import Costs
from ml.decision.contact_profit import break_even, profit_of
from ml.features.training_parts import Part, label_column
from ml.metrics.bootstrap import Replicates
from ml.train.churn_candidates import BASELINE

COMPARED = ("roc_auc", "average_precision", "log_loss")


def judge(
    part: Part,
    probabilities: Mapping[str, Floats],
    champion: str,
    threshold: float,
    seed: int,
    costs: Costs | None = None,
) -> dict[str, Any]:
    """The evidence on the test part.

    Parameters
    ----------
    part : Part
        The test part.
    probabilities : mapping
        Candidate to the probability of each row.
    champion : str
    threshold : float
        Probability from which a customer counts as churning.
    seed : int
        Of the replicates.
    costs : Costs, optional
        For the profit; by default ``Costs()``.

    Returns
    -------
    dict
        ``base_rate``, ``rows``, ``customers``; ``candidates``: name to metric to value, low, high;
        ``champion_minus_recency_rule``: metric to the same; ``decision``: what the threshold does.
    """
    replicates = Replicates.of(part.labels, probabilities, part.customers, seed, costs=costs)
    return part.facts() | {
        "candidates": {name: replicates.measures(name) for name in probabilities},
        f"champion_minus_{BASELINE}": replicates.change(champion, BASELINE, COMPARED),
        "decision": decision_facts(part.labels, probabilities[champion] >= threshold, costs or Costs()),
    }


def decision_facts(churned: Floats, flagged: Any, costs: Costs) -> dict[str, float | None]:
    """Share flagged, recall, precision (null when none is flagged) and profit of the flagged customers.

    ``profit_of_everyone`` is that of contacting all, ``break_even`` the probability from which a contact
    pays, null where none does.
    """
    hits, number = float(churned[flagged].sum()), int(np.sum(flagged))
    limit = break_even(costs)
    return {
        "listed_share": number / len(churned),
        "recall": hits / float(churned.sum()),
        "precision": hits / number if number else None,
        "profit": profit_of(churned, flagged, costs),
        "profit_of_everyone": profit_of(churned, np.ones(len(churned), bool), costs),
        "break_even": limit if np.isfinite(limit) else None,
    }


def test_table(part: Part, predictions: Mapping[str, Floats]) -> pa.Table:
    """Every candidate's probability, or amount, for every test row, stored beside the model."""
    table = part.table.select(["customer_id", "event_timestamp", label_column(part.table)])
    for name, prediction in predictions.items():
        table = table.append_column(name, pa.array(prediction))
    return table
