"""Names and units of metrics, and sentences on their intervals."""

from collections.abc import Mapping
from typing import Any

from ml.config.problem import REGRESSION, Problem
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
VALUE_LABELS = {
    "deviance": "Tweedie deviance",
    "rmse": "root mean squared error (RMSE)",
    "mae": "mean absolute error (MAE)",
    "r2": "R2",
    "gini": "Gini index of the order",
    "top_tenth_lift": "lift of the top tenth",
}
BASELINE_NAMES = {"mean": "the mean", "gamma_gamma": "BG/NBD with gamma-gamma"}
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
    if is_regression(facts):
        return answer_of_amounts(facts)
    pairs = evidence["candidates"][evidence["champion"]]["roc_auc"]["value"]
    flagged, recall = evidence["decision"]["listed"]["value"], evidence["decision"]["recall"]["value"]
    calls = f"calling {flagged:.0%} finds {recall:.0%} of those who leave" if flagged else "it calls no one"
    return f"The model ranks {100 * pairs:.0f} of 100 pairs right; {calls}."


def is_regression(facts: Mapping[str, Any]) -> bool:
    """Whether a model's manifest is that of a regression."""
    return facts.get("problem", {}).get("task") == REGRESSION


def answer_of_amounts(facts: Mapping[str, Any]) -> str:
    """How good the amounts are, in one sentence."""
    measures, intervals = facts["test"]["candidates"][facts["champion"]], facts["test"]["intervals"]
    return (
        f"The model explains {measures['r2']['value']:.0%} of the variance of the amounts and errs by "
        f"{measures['mae']['value']:,.1f} on average; {intervals['covered']['value']:.0%} of them lie in its "
        f"{intervals['stated']:.0%} intervals."
    )


def verdicts(facts: dict[str, Any]) -> list[str]:
    """For each compared metric one sentence: better, worse or not distinguishable from the baseline."""
    if is_regression(facts):
        metrics = dict.fromkeys((facts["problem"]["metric"], "rmse"))
        return [
            sentence(facts["champion"], metric, differences[metric], BASELINE_NAMES[baseline])
            for baseline, differences in facts["test"]["champion_minus"].items()
            for metric in metrics
        ]
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


def sentence(
    champion: str, metric: str, difference: dict[str, float], baseline: str = "the recency rule"
) -> str:
    low, high = sorted((difference["low"], difference["high"]))
    interval = f"{difference['value']:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
    if low <= 0 <= high:
        return f"{label_of(metric)}: {champion} cannot be told from {baseline} ({interval}; zero included)."
    better = (high < 0) if metric in LOWER_IS_BETTER else (low > 0)
    word = "better" if better else "worse"
    return f"{label_of(metric)}: {champion} is {word} than {baseline} ({interval}; zero excluded)."


def label_of(metric: str) -> str:
    """A metric's name in sentences and tables."""
    return (LABELS | VALUE_LABELS).get(metric, metric)


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
        f"Success asks for {label_of(metric)} of {limit}: {'reached' if reached else 'missed'} "
        f"({interval['value']:.4f}, 95 % interval {interval['low']:.4f} to {interval['high']:.4f}{unsure})."
    )
