"""The test part, touched once: every candidate's metrics with intervals, champion against recency."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ml.common.arrays import Floats
from ml.config.problem import Costs
from ml.decision.profit import break_even, profit_of
from ml.features.parts import Part
from ml.metrics.bootstrap import bootstrap, with_interval
from ml.metrics.scores import METRIC_NAMES, measure
from ml.train.candidates import BASELINE

COMPARED = ("roc_auc", "average_precision", "log_loss")


def judge(
    part: Part,
    probabilities: Mapping[str, Floats],
    champion: str,
    threshold: float,
    seed: int,
    costs: Costs | None = None,
) -> dict[str, Any]:
    """The evidence on held-out rows.

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
        For the profit; the default costs if not given.

    Returns
    -------
    dict
        ``base_rate``, ``rows``, ``customers``; ``candidates``: name to metric to value, low, high;
        ``champion_minus_recency_rule``: metric to the same; ``decision``: what the threshold does.
    """
    values = {
        name: measure(part.churned, probability, costs=costs) for name, probability in probabilities.items()
    }
    drawn = bootstrap(part.churned, probabilities, part.customers, seed, costs=costs)
    return part.facts() | {
        "candidates": {
            name: {
                metric: with_interval(values[name][metric][0], drawn[name][metric], metric)
                for metric in METRIC_NAMES
            }
            for name in probabilities
        },
        f"champion_minus_{BASELINE}": {
            metric: with_interval(
                values[champion][metric][0] - values[BASELINE][metric][0],
                drawn[champion][metric] - drawn[BASELINE][metric],
            )
            for metric in COMPARED
        },
        "decision": decision_facts(part.churned, probabilities[champion] >= threshold, costs or Costs()),
    }


def decision_facts(churned: Floats, decided: Any, costs: Costs) -> dict[str, float | None]:
    """Share flagged, recall, precision (null when none is flagged), profit, and what bounds it.

    ``profit_of_everyone`` is that of contacting all, ``break_even`` the probability from which a contact
    pays, null where none does.
    """
    least = break_even(costs)
    hits, flagged = float(churned[decided].sum()), int(np.sum(decided))
    return {
        "listed_share": flagged / len(churned),
        "recall": hits / float(churned.sum()),
        "precision": hits / flagged if flagged else None,
        "profit": profit_of(churned, decided, costs),
        "profit_of_everyone": profit_of(churned, np.ones(len(churned), bool), costs),
        "break_even": least if np.isfinite(least) else None,
    }


def test_table(part: Part, probabilities: Mapping[str, Floats]) -> pa.Table:
    """Every candidate's probability for every test row, kept beside the model."""
    table = part.table.select(["customer_id", "event_timestamp", "churned"])
    for name, probability in probabilities.items():
        table = table.append_column(name, pa.array(probability))
    return table
