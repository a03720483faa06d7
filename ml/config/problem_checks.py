"""What no key of ``problem.yml`` can tell alone; each breach names its line and the remedy."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml

from ml.common.errors import ProblemError
from ml.common.paths import ROOT
from ml.common.yaml_settings import Lines

if TYPE_CHECKING:
    from ml.config.problem import Problem

SHARES = frozenset({"roc_auc", "average_precision", "precision_at_80_recall", "r2", "gini"})
# Rules that need a value, and the one they take where none is stated.
USUAL_VALUE = {"recall_at_least": 0.8, "precision_at_least": 0.8, "fixed": 0.8, "f_beta": 1.0}


def check_together(problem: "Problem", file: str, lines: Lines) -> None:
    """All checks, in the order of the file."""
    for check in (check_success, check_threshold, check_costs, check_bands, check_split):
        check(problem, file, lines)


def check_task(values: Mapping[str, Any], file: str, lines: Lines) -> None:
    """Metrics, candidates and label are of the stated task, and all that are not are named at once."""
    from ml.config import problem as words

    is_regression = values.get("task") == words.REGRESSION
    metrics = get_args(words.ValueMetric if is_regression else words.ClassMetric)
    candidates = words.VALUE_CANDIDATES if is_regression else words.CANDIDATES
    stated = values.get("candidates", ())
    own = [] if is_regression else [name for name in stated if ":" in name]
    success = (values.get("success") or {}).get("metric")
    of_success = metrics if is_regression else {*metrics, "lift_at_10", "precision_at_80_recall", "ece"}
    other = {
        "metric": values.get("metric", metrics[0]) not in metrics,
        "success.metric": success is not None and success not in of_success,
        "candidates": any(name not in candidates and name not in own for name in stated),
    }
    wrong = [name for name, is_wrong in other.items() if is_wrong]
    if wrong:
        task = words.REGRESSION if is_regression else words.CLASSIFICATION
        listed = ", ".join(wrong)
        raise at(
            file,
            lines,
            wrong[0],
            f"not of a {task}: {listed}; leave that out, or take metrics of {', '.join(metrics)} and "
            f"candidates of {', '.join(candidates)}",
        )
    if (values.get("label") == words.CUSTOMER_VALUE) and not is_regression:
        raise at(file, lines, "label", f"{words.CUSTOMER_VALUE} is an amount; add the line task: regression")
    if is_regression and values.get("label", words.CHURN) == words.CHURN:
        raise at(
            file,
            lines,
            "label" if "label" in lines else "task",
            f"{words.CHURN} is no amount; add the line label: {words.CUSTOMER_VALUE}",
        )


def check_success(problem: "Problem", file: str, lines: Lines) -> None:
    """The target is one that the metric can have."""
    metric, target = problem.success.metric, problem.success.target
    if "success.metric" in lines and "success.target" not in lines:
        raise at(file, lines, "success", f"success names {metric} but no target; add success.target")
    if metric in SHARES and not 0 < target < 1:
        raise at(
            file, lines, "success.target", f"success.target is {target:g}; {metric} lies between 0 and 1"
        )


def check_threshold(problem: "Problem", file: str, lines: Lines) -> None:
    """The rule has the value it needs, and no other."""
    rule, value = problem.threshold.rule, problem.threshold.value
    if rule not in USUAL_VALUE and "threshold.value" in lines:
        raise at(file, lines, "threshold.value", f"threshold.value means nothing to {rule}; remove it")
    if rule == "capacity" and problem.capacity is None:
        raise at(
            file,
            lines,
            "threshold.rule",
            "capacity is missing, which threshold.rule asks for; add the contacts a week",
        )
    if rule == "f_beta" and not value:
        raise at(file, lines, "threshold.value", f"threshold.value is {value!r}; beta must be above 0")
    if rule in USUAL_VALUE and rule != "f_beta" and not 0 < (value or 0) < 1:
        raise at(
            file,
            lines,
            "threshold.value",
            f"threshold.value is {value!r}; it must be a number above 0 and below 1",
        )


def check_costs(problem: "Problem", file: str, lines: Lines) -> None:
    """With the rule profit, contacting a sure churner must pay."""
    costs = problem.costs
    gain = costs.take_up * (costs.value_kept - costs.offer) - costs.contact
    if problem.threshold.rule == "profit" and gain <= 0:
        raise at(
            file,
            lines,
            "costs",
            f"even a sure churner is not worth a contact ({costs.take_up:g} * ({costs.value_kept:g} - "
            f"{costs.offer:g}) - {costs.contact:g} = {gain:g}); correct the costs or take another rule",
        )


def check_bands(problem: "Problem", file: str, lines: Lines) -> None:
    """The bands rise."""
    if problem.bands.medium >= problem.bands.high:
        raise at(
            file,
            lines,
            "bands.high",
            f"bands.high must be above bands.medium ({problem.bands.medium:g}); raise it",
        )


def check_split(problem: "Problem", file: str, lines: Lines) -> None:
    """Something is left to train on."""
    if problem.split.validation + problem.split.test >= 1:
        raise at(
            file,
            lines,
            "split",
            "split.validation + split.test leave nothing to train on; make their sum less than 1",
        )


def refuse_random_split(stated: yaml.Node | None, file: str) -> None:
    """Parts drawn at random are not offered, by whatever name one asks for them."""
    if not isinstance(stated, yaml.MappingNode):
        return
    for key, value in stated.value:
        words = [each.value for pair in value.value for each in pair] if is_mapping(value) else [value.value]
        if key.value == "split" and {"random", "shuffle", "stratified"} & {str(word) for word in words}:
            raise ProblemError(
                f"{file}, line {value.start_mark.line + 1}: a random split is not offered, for it lets rows "
                "of the same weeks and customers teach and judge; the split is by time: write split: "
                "{validation: 0.2, test: 0.2}, shares of the cut-offs"
            )


def is_mapping(node: yaml.Node) -> bool:
    """Whether it holds keys and values."""
    return isinstance(node, yaml.MappingNode)


def actions_file(name: str, file: Path, lines: Lines) -> str:
    """Where the recommended actions are: beside the problem file, else in the repository (then by name)."""
    beside, ours = (file.parent / name).resolve(), (ROOT / name).resolve()
    if "actions" not in lines or beside == ours or (not beside.is_file() and ours.is_file()):
        return name
    if not beside.is_file():
        raise at(str(file), lines, "actions", f"there is no file {beside}; write it or correct the name")
    return str(beside)


def at(file: str, lines: Lines, key: str, what: str) -> ProblemError:
    """The error at a key's line, or its group's, or the file's first."""
    line = lines.get(key) or lines.get(key.partition(".")[0], 1)
    return ProblemError(f"{file}, line {line}: {what}")
