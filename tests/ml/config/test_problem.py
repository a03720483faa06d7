"""problem.yml: what is read, and the sentence for each way to get it wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ml.common.errors import ProblemError
from ml.config.problem import Costs, Problem, Success, Threshold, Tuning, from_values, read_problem


def written(folder: Path, text: str) -> Path:
    file = folder / "problem.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_file_in_the_repository_states_the_defaults_and_the_threshold_that_follows_its_costs() -> None:
    assert read_problem() == replace(Problem(), threshold=Threshold("profit"))


def test_keys_left_out_take_their_defaults(tmp_path: Path) -> None:
    problem = read_problem(written(tmp_path, "horizon_days: 45\nthreshold: {rule: fixed, value: 0.25}\n"))
    assert (problem.horizon_days, problem.threshold.rule, problem.threshold.value) == (45, "fixed", 0.25)
    assert problem.active_within_days == 90
    assert problem.gap_days == 45


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert read_problem(written(tmp_path, "# nothing\n")) == Problem()


def test_plain_values_come_back_as_the_same_problem() -> None:
    problem = Problem(seed=3, capacity=50, threshold=Threshold("profit"), costs=Costs(contact=2))
    assert from_values(problem.as_dict()) == problem
    assert from_values(json.loads(json.dumps(problem.as_dict()))) == problem


def test_the_problem_of_an_older_model_takes_the_defaults() -> None:
    old = {"metric": "log_loss", "threshold": {"rule": "fixed", "value": 0.4}, "baseline": ["recency"]}
    problem = from_values(old)
    assert (problem.threshold, problem.baseline) == (Threshold("fixed", 0.4), ("recency",))
    assert (problem.calibration, problem.costs, problem.capacity) == ("auto", Costs(), None)


def test_the_new_words_are_read(tmp_path: Path) -> None:
    text = """
    success: {metric: empc, target: 5}
    refresh_days: 14
    costs: {contact: 0.5, offer: 12, value_kept: 300, take_up: 0.25}
    capacity: 500
    threshold: {rule: profit}
    calibration: isotonic
    candidates: [prior, xgboost]
    selection: l1
    tuning: {trials: 3, seconds: 60, search: grid}
    """
    problem = read_problem(written(tmp_path, text.replace("\n    ", "\n")))
    assert problem.success == Success("empc", 5.0)
    assert problem.costs == Costs(contact=0.5, offer=12.0, value_kept=300.0, take_up=0.25)
    assert problem.contacts == 1000
    assert problem.threshold == Threshold("profit", None)
    assert (problem.calibration, problem.candidates) == ("isotonic", ("prior", "xgboost"))
    assert (problem.selection, problem.tuning) == ("l1", Tuning(3, 60, "grid"))


@pytest.mark.parametrize(
    ("rule", "value"), [("recall_at_least", 0.8), ("f_beta", 1.0), ("capacity", None), ("profit", None)]
)
def test_a_rule_without_a_value_takes_its_usual_one(tmp_path: Path, rule: str, value: float | None) -> None:
    problem = read_problem(written(tmp_path, f"capacity: 9\nthreshold: {{rule: {rule}}}\n"))
    assert problem.threshold == Threshold(rule, value)


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("costs: {contact: 2}\n", Threshold("profit")),
        ("seed: 3\n", Threshold("recall_at_least", 0.8)),
        ("costs: {contact: 2}\nthreshold: {rule: recall_at_least}\n", Threshold("recall_at_least", 0.8)),
    ],
)
def test_the_threshold_follows_the_costs_where_they_are_stated(
    tmp_path: Path, text: str, threshold: Threshold
) -> None:
    assert read_problem(written(tmp_path, text)).threshold == threshold


def test_actions_are_looked_for_beside_the_problem_then_in_the_repository(tmp_path: Path) -> None:
    file = written(tmp_path, "actions: actions.yml\n")
    assert read_problem(file).actions == "actions.yml"
    (tmp_path / "actions.yml").write_text("low: a\nmedium: b\nhigh: c\n")
    assert read_problem(file).actions == str(tmp_path / "actions.yml")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("seed: 1\nhorizn_days: 30\n", 2, "unknown key horizn_days; did you mean horizon_days?"),
        ("threshold:\n  rule: fixed\n  valu: 0.5\n", 3, "unknown key threshold.valu; did you mean value?"),
        ("horizon_days: thirty\n", 1, "horizon_days is 'thirty'; it must be a whole number from 1 to 3650"),
        ("horizon_days: true\n", 1, "horizon_days is True"),
        ("horizon_days: 30.5\n", 1, "horizon_days is 30.5"),
        ("\n\nhorizon_days: 0\n", 3, "horizon_days is 0"),
        ("label_delay_days: -1\n", 1, "label_delay_days is -1"),
        ("metric: accuracy\n", 1, "one of log_loss, brier, roc_auc, average_precision"),
        ("threshold: {rule: recall_at_least, value: 1.2}\n", 1, "threshold.value is 1.2"),
        ("threshold: 0.5\n", 1, "threshold must be a mapping"),
        ("bands:\n  medium: 0.6\n  high: 0.5\n", 3, "bands.high must be above bands.medium (0.6)"),
        ("seed: 1\nsplit: {validation: 0.5, test: 0.5}\n", 2, "leave nothing to train on"),
        ("seed: 1\nsplit: random\n", 2, "a random split is not offered"),
        ("split:\n  shuffle: true\n  test: 0.2\n", 2, "a random split is not offered"),
        ("split: {method: random}\n", 1, "the split is by time: write split: {validation: 0.2, test: 0.2}"),
        ("split: 0.2\n", 1, "split must be a mapping"),
        ("seed: 1\nseed: 2\n", 2, "seed is given twice"),
        ("baseline: []\n", 1, "a list of one or more feature names"),
        ("- 1\n", 1, "the file must be a mapping"),
        ("seed: 1\nsplit: {test: 0.2\n", 3, "is no YAML"),
        ("costs:\n  contact: -1\n", 2, "costs.contact is -1.0; it must be a number from 0 to 1,000,000,000"),
        ("costs: {take_up: 30}\n", 1, "costs.take_up is 30.0; it must be a number above 0 and below 1"),
        ("costs: {value_kept: .nan}\n", 1, "costs.value_kept is nan"),
        (
            "costs: {price: 3}\n",
            1,
            "unknown key costs.price; known here: contact, offer, value_kept, take_up",
        ),
        ("capacity: 0\n", 1, "capacity is 0; it must be a whole number from 1"),
        ("capacity:\n", 1, "capacity is None; it must be a whole number from 1"),
        ("refresh_days: 0.5\n", 1, "refresh_days is 0.5"),
        ("calibration: beta\n", 1, "one of auto, none, level, platt, isotonic"),
        ("selection: lasso\n", 1, "one of none, l1, elimination"),
        ("tuning:\n  trials: 5\n  search: bayes\n", 3, "one of tpe, random, grid"),
        (
            "candidates: [prior, xgbost]\n",
            1,
            "did you mean xgboost? it must be a list of one or more, none twice, of prior, recency_rule",
        ),
        ("candidates: [prior, prior]\n", 1, "a list of one or more, none twice, of prior, recency_rule"),
        ("success: {metric: empc}\n", 1, "success names empc but no target; add success.target"),
        ("success:\n  metric: roc_auc\n  target: 80\n", 3, "roc_auc lies between 0 and 1"),
        (
            "seed: 1\nthreshold:\n  rule: capacity\n",
            3,
            "which threshold.rule asks for; add the contacts a week",
        ),
        ("threshold:\n  rule: profit\n  value: 0.2\n", 3, "threshold.value means nothing to profit"),
        ("threshold: {rule: f_beta, value: 0}\n", 1, "beta must be above 0"),
        (
            "costs:\n  offer: 300\nthreshold: {rule: profit}\n",
            1,
            "even a sure churner is not worth a contact",
        ),
        ("seed: 1\nactions: todo.yml\n", 2, "todo.yml; write it or correct the name"),
    ],
)
def test_an_error_names_file_line_and_remedy(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ProblemError) as caught:
        read_problem(file)
    assert str(caught.value).startswith(f"{file}, line {line}: ")
    assert words in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="there is no such file; name one with --problem FILE"):
        read_problem(tmp_path / "none.yml")
