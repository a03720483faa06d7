"""Names and units of metrics, and sentences on their intervals."""

from collections.abc import Mapping
from typing import Any

from ml.config.problem import Problem
from ml.metrics.chance import NO_BETTER_THAN_CHANCE, ranks_better_than_chance
from ml.metrics.measure import LOWER_IS_BETTER
from ml.metrics.probability_metrics import METRIC_NAMES
from ml.train.churn_candidates import BASELINE
from ml.train.test_part import COMPARED

LABELS = {
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "log_loss": "log-loss",
    "brier": "Brier",
    "ece": "expected calibration error",
    "lift_at_10": "lift at 10 %",
    "precision_at_80_recall": "precision at 80 % recall",
    "empc": "expected maximum profit (EMPC)",
    "profit_per_customer": "profit per customer",
}
UNITS = {"precision_at_80_recall": "share", "empc": "money", "profit_per_customer": "money"}


def metrics() -> dict[str, dict[str, str]]:
    """Label, better direction and unit of each metric."""
    return {
        name: {
            "label": LABELS.get(name, name),
            "better": "lower" if name in LOWER_IS_BETTER else "higher",
            "unit": UNITS.get(name, ""),
        }
        for name in METRIC_NAMES
    }


def answer(facts: Mapping[str, Any], evidence: Mapping[str, Any]) -> str:
    """How good the model is, in one sentence.

    Parameters
    ----------
    facts : mapping
        The model's manifest.
    evidence : mapping
        See ``ml.evaluate.evidence_schema``.
    """
    if not ranks_better_than_chance(facts):
        return f"{NO_BETTER_THAN_CHANCE[0].upper()}{NO_BETTER_THAN_CHANCE[1:]}."
    pairs = evidence["candidates"][evidence["champion"]]["roc_auc"]["value"]
    flagged, recall = evidence["decision"]["listed"]["value"], evidence["decision"]["recall"]["value"]
    calls = f"calling {flagged:.0%} finds {recall:.0%} of those who leave" if flagged else "it calls no one"
    return f"The model ranks {100 * pairs:.0f} of 100 pairs right; {calls}."


def verdicts(facts: dict[str, Any]) -> list[str]:
    """For each compared metric one sentence: better, worse or not distinguishable from the recency rule."""
    if facts["champion"] == BASELINE:
        return ["The champion is the recency rule itself: no other candidate was better by more than chance."]
    differences = facts["test"][f"champion_minus_{BASELINE}"]
    sentences = [sentence(facts["champion"], metric, differences[metric]) for metric in COMPARED]
    if "registered" in facts:
        sentences.append(
            "The champion was fitted elsewhere and registered: it may have seen the test rows, and no figure "
            "here can show that."
        )
    return sentences


def sentence(champion: str, metric: str, difference: dict[str, float]) -> str:
    low, high = sorted((difference["low"], difference["high"]))
    interval = f"{difference['value']:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
    if low <= 0 <= high:
        return (
            f"{LABELS[metric]}: {champion} cannot be told from the recency rule ({interval}; zero included)."
        )
    better = (high < 0) if metric in LOWER_IS_BETTER else (low > 0)
    word = "better" if better else "worse"
    return f"{LABELS[metric]}: {champion} is {word} than the recency rule ({interval}; zero excluded)."


def success(problem: Problem, measures: dict[str, dict[str, float]]) -> str:
    """Whether the champion reaches the problem's success target, with its whole interval or its value."""
    metric, target = problem.success.metric, problem.success.target
    if metric not in measures:
        return f"Success ({metric} {target:g}) was not measured: run 'churn train' again."
    interval, below = measures[metric], metric in LOWER_IS_BETTER
    sign = -1.0 if below else 1.0
    reached = sign * interval["value"] >= sign * target
    sure = sign * interval["high" if below else "low"] >= sign * target
    unsure = "" if sure or not reached else ", but the interval holds values that miss it"
    limit = f"{'at most' if below else 'at least'} {target:g}"
    return (
        f"Success asks for {LABELS.get(metric, metric)} of {limit}: {'reached' if reached else 'missed'} "
        f"({interval['value']:.4f}, 95 % interval {interval['low']:.4f} to {interval['high']:.4f}{unsure})."
    )
