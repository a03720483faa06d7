"""The search for settings: seeded, resumable, blind to the selection rows, and plain about what it did."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.config.problem import Problem, Tuning
from ml.train.folds import Fold, make_folds
from ml.train.search_spaces import SPACES, Between
from ml.train.trials import Trial, try_all
from ml.train.tuning import Search, SearchResult, promising, tune_promising
from tests.ml.conftest import PROBLEM, Workshop

SEARCHED = replace(PROBLEM, tuning=Tuning(trials=4, seconds=600))
TUNABLE = ("logistic_regression", "decision_tree")


@pytest.fixture(scope="module")
def folds(workshop: Workshop) -> list[Fold]:
    return make_folds(workshop.parts, workshop.inputs, PROBLEM)


@pytest.fixture(scope="module")
def trials(workshop: Workshop, folds: list[Fold]) -> list[Trial]:
    candidates = [each.candidate for each in workshop.trials if each.candidate.name in ("prior", *TUNABLE)]
    return try_all(candidates, folds, PROBLEM, lambda title: None)


def searched(trials: list[Trial], folds: list[Fold], problem: Problem, folder: Path) -> list[SearchResult]:
    return tune_promising(trials, folds, problem, folder, lambda title: None)[1]


def test_only_the_tunable_are_promising_the_best_first(trials: list[Trial], folds: list[Fold]) -> None:
    names = promising(trials, folds, SEARCHED)
    assert set(names) == set(TUNABLE)
    assert promising(trials, folds[-1:], SEARCHED) == []
    assert promising(trials, folds, PROBLEM) == []


def test_the_same_seed_finds_the_same_and_no_worse_than_usual(
    trials: list[Trial], folds: list[Fold], tmp_path: Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, second = (searched(trials, folds, SEARCHED, tmp_path / name) for name in ("first", "second"))
    assert first == second
    for result in first:
        assert (result.trials, result.cut_short) == (4, False)
        assert result.after <= result.before
        assert bool(result.settings) == (result.after < result.before)
        for key, value in result.settings.items():
            limits = SPACES[result.candidate][key]
            assert not isinstance(limits, Between) or limits.low <= value <= limits.high


def test_an_interrupted_search_ends_where_it_would_have(
    trials: list[Trial], folds: list[Fold], tmp_path: Path
) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = searched(trials, folds, SEARCHED, tmp_path / "whole")
    searched(trials, folds, replace(SEARCHED, tuning=Tuning(trials=2, seconds=600)), tmp_path / "parts")
    titles: list[str] = []
    result = tune_promising(trials, folds, SEARCHED, tmp_path / "parts", titles.append)[1]
    assert result == whole
    assert sum(title.startswith("tuning") for title in titles) == 2 * 2


def test_a_search_out_of_time_says_so(trials: list[Trial], folds: list[Fold], tmp_path: Path) -> None:
    trial = next(each for each in trials if each.candidate.name == "decision_tree")
    result = Search(trial, folds[:-1], SEARCHED, tmp_path / "tuning.db").run(0.0, lambda title: None)
    assert (result.trials, result.cut_short, result.settings) == (0, True, {})


def test_the_selection_rows_are_not_looked_at(trials: list[Trial], folds: list[Fold], tmp_path: Path) -> None:
    """With the last fold's labels turned round the search finds the same."""
    (tmp_path / "turned").mkdir()
    last = folds[-1]
    turned = replace(last, validation=replace(last.validation, labels=1 - last.validation.labels), cache={})
    result = searched(trials, [*folds[:-1], turned], SEARCHED, tmp_path / "turned")
    assert result == searched(trials, folds, SEARCHED, tmp_path)


@pytest.mark.parametrize("search", ["random", "grid"])
def test_other_ways_to_search(trials: list[Trial], folds: list[Fold], tmp_path: Path, search: str) -> None:
    problem = replace(SEARCHED, tuning=Tuning(trials=8, seconds=600, search=search))
    regression = [each for each in trials if each.candidate.name == "logistic_regression"]
    (result,) = searched(regression, folds, problem, tmp_path)
    assert result.trials == (6 if search == "grid" else 8)
    if search == "grid" and result.settings:
        steps = SPACES["logistic_regression"]["C"].steps()
        assert min(abs(np.log(result.settings["C"] / step)) for step in steps) < 1e-9


def test_the_steps_of_a_grid() -> None:
    assert Between(2, 8, whole=True, log=False).steps() == [2, 5, 8]
    np.testing.assert_allclose(Between(0.01, 1.0).steps(), [0.01, 0.1, 1.0])
