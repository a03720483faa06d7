"""The threshold and the bands on test rows: flagged customers, profit, recommended actions."""

from typing import Any

import numpy as np

from ml.common.array_types import Floats
from ml.common.errors import ProblemError
from ml.config.problem import RISK_BANDS, Problem
from ml.decision.actions import read_actions
from ml.decision.contact_profit import break_even, shortfalls
from ml.evaluate.bootstrapped_rows import Rows
from ml.model.churn_model import ChurnModel


def decision(rows: Rows, probability: Floats, model: ChurnModel, actions: dict[str, str]) -> dict[str, Any]:
    """DECISION of ``ml.evaluate.evidence_schema``."""
    flagged = model.decision(probability)
    facts = rows.decision_facts(flagged)
    profit = facts["profit"]
    simple = simple_policies(rows, probability)
    return {
        "threshold": model.threshold,
        "rule": model.problem.threshold.rule,
        "rule_met": bool(model.facts.get("threshold_rule_met", True)),
        **facts,
        "confusion": confusion(rows.churned, flagged),
        "profit_per_listed": profit["value"] / int(flagged.sum()) if profit and flagged.any() else None,
        **simple,
        "shortfalls": shortfalls(profit["value"], simple["everyone"]["value"]) if profit else [],
        "bands": bands(rows, probability, model, actions),
    }


def simple_policies(rows: Rows, probability: Floats) -> dict[str, Any]:
    """The profit of contacting everyone, and of contacting all from the break-even probability on."""
    limit = break_even(rows.problem.costs)
    facts = rows.decision_facts(probability >= limit)
    return {
        "everyone": rows.decision_facts(np.ones(len(probability), bool))["profit"],
        "break_even": {
            "probability": limit if np.isfinite(limit) else None,
            "listed": facts["listed"],
            "profit": facts["profit"],
        },
    }


def confusion(churned: Floats, flagged: Any) -> dict[str, int]:
    """Rows by label and decision."""
    churner = churned == 1
    return {
        "churned_listed": int((churner & flagged).sum()),
        "stayed_listed": int((~churner & flagged).sum()),
        "churned_not_listed": int((churner & ~flagged).sum()),
        "stayed_not_listed": int((~churner & ~flagged).sum()),
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
            "low": edges[index],
            "high": edges[index + 1],
            "rows": int((band == name).sum()),
            "base_rate": mean_or_none(rows.churned[band == name]),
            "mean_probability": mean_or_none(probability[band == name]),
            "action": actions.get(name),
        }
        for index, name in enumerate(RISK_BANDS)
    ]


def mean_or_none(values: Floats) -> float | None:
    return float(np.mean(values)) if len(values) else None


def actions_or_none(problem: Problem) -> dict[str, str]:
    """The recommended actions; none when the file is gone, as evidence must not fail on it."""
    try:
        return read_actions(problem.actions)
    except ProblemError:
        return {}
