"""What the threshold and the bands do on held-out rows: who is listed, what it earns, what to do."""

from typing import Any

import numpy as np

from ml.common.arrays import Floats
from ml.common.errors import ProblemError
from ml.config.problem import Problem
from ml.decision.actions import BANDS, read_actions
from ml.decision.profit import break_even, shortfalls
from ml.evaluate.measured import Rows
from ml.model.churn_model import ChurnModel


def decision(rows: Rows, probability: Floats, model: ChurnModel, actions: dict[str, str]) -> dict[str, Any]:
    """DECISION of ``ml.evaluate.evidence``."""
    listed = model.decision(probability)
    facts = rows.list_facts(listed)
    profit = facts["profit"]
    simple = simple_policies(rows, probability)
    return {
        "threshold": model.threshold,
        "rule": model.problem.threshold.rule,
        "rule_met": bool(model.facts.get("threshold_rule_met", True)),
        **facts,
        "confusion": confusion(rows.churned, listed),
        "profit_per_listed": profit["value"] / int(listed.sum()) if profit and listed.any() else None,
        **simple,
        "shortfalls": shortfalls(profit["value"], simple["everyone"]["value"]) if profit else [],
        "bands": bands(rows, probability, model, actions),
    }


def simple_policies(rows: Rows, probability: Floats) -> dict[str, Any]:
    """What one needs beside any list: the profit of contacting everyone, and from where on a contact pays."""
    costs = rows.problem.costs
    least = break_even(costs)
    pays = rows.list_facts(probability >= least)
    return {
        "everyone": rows.list_facts(np.ones(len(probability), bool))["profit"],
        "break_even": {
            "probability": least if np.isfinite(least) else None,
            "listed": pays["listed"],
            "profit": pays["profit"],
        },
    }


def confusion(churned: Floats, listed: Any) -> dict[str, int]:
    """Rows by what came and what was decided."""
    gone = churned == 1
    return {
        "churned_listed": int((gone & listed).sum()),
        "stayed_listed": int((~gone & listed).sum()),
        "churned_not_listed": int((gone & ~listed).sum()),
        "stayed_not_listed": int((~gone & ~listed).sum()),
    }


def bands(
    rows: Rows, probability: Floats, model: ChurnModel, actions: dict[str, str]
) -> list[dict[str, Any]]:
    """Rows, churn rate and mean probability of each risk band, with its action."""
    band, limits = model.band(probability), model.problem.bands
    edges = (0.0, limits.medium, limits.high, 1.0)
    return [
        {
            "band": name,
            "low": edges[place],
            "high": edges[place + 1],
            "rows": int((band == name).sum()),
            "base_rate": mean_or_none(rows.churned[band == name]),
            "mean_probability": mean_or_none(probability[band == name]),
            "action": actions.get(name),
        }
        for place, name in enumerate(BANDS)
    ]


def mean_or_none(values: Floats) -> float | None:
    """The mean, if there is any value."""
    return float(np.mean(values)) if len(values) else None


def actions_or_none(problem: Problem) -> dict[str, str]:
    """The recommended actions; none when the file is gone, for evidence is no place to fail."""
    try:
        return read_actions(problem.actions)
    except ProblemError:
        return {}
