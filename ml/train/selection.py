"""Selection of inputs, where the problem asks for it: the smallest subset that is no worse on later rows.

``l1``: the inputs that a logistic regression with an L1 penalty still uses, for several penalties.
``elimination``: without the third that a booster used least, round after round. A model learns each subset
from a fold's rows and scores its later ones; the smallest within one standard error of the best is taken, and
found once more in all training rows. What rules and derived columns read always stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ml.common.arrays import Floats
from ml.config.problem import Problem
from ml.model.inputs import Input
from ml.model.preparation import sources
from ml.train.candidates import Candidate, made, needed
from ml.train.fitting import Rows, fit
from ml.train.folds import Fold
from ml.train.trials import Trial, calibrated, simplest_as_good

NONE, L1 = "none", "l1"
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)  # C of the penalty: from a few inputs to nearly all
FEWEST = 6  # inputs; with fewer a booster loses to the linear model
SHARE_OF_EACH_ROUND = 2 / 3
ALL = "all"
Subsets: TypeAlias = Mapping[str, frozenset[str]]


def select(
    inputs: list[Input], folds: list[Fold], problem: Problem, step: Callable[[str], None]
) -> tuple[list[Input], list[Fold], dict[str, str]]:
    """The selected inputs, folds of them alone, and why each other one is left out."""
    if problem.selection == NONE:
        return inputs, folds, {}
    earlier = folds[:-1] or folds
    judge = judge_of(inputs, problem, len(folds[-1].learn.churned))
    probabilities: dict[str, list[Floats]] = {}
    for fold in earlier:
        for name, subset in subsets(judge, fold, inputs, problem).items():
            step(f"selecting inputs: {name}")
            probabilities.setdefault(name, []).append(probability_with(judge, fold, subset, problem.seed))
        fold.forget()
    trials = [
        Trial(replace(judge, name=name), tuple(by_fold), Pipeline([]))
        for name, by_fold in probabilities.items()
        if len(by_fold) == len(earlier)  # a subset of each fold has this name
    ]
    names = [trial.candidate.name for trial in trials]
    chosen = simplest_as_good(trials, earlier, problem, names).chosen
    every = frozenset(each.name for each in inputs)
    subset = subsets(judge, folds[-1], inputs, problem).get(chosen, every)
    folds[-1].forget()
    selected = [each for each in inputs if each.name in subset]
    reason = f"not needed, says {problem.selection}"
    left_out = {each.name: reason for each in inputs if each.name not in subset}
    return selected, [narrowed(fold, [each.name for each in selected]) for fold in folds], left_out


def judge_of(inputs: Sequence[Input], problem: Problem, rows: int) -> Candidate:
    """The model that tells subsets apart: linear, or a booster whose trees see every column of the subset."""
    if problem.selection == L1:
        return made("logistic_regression", inputs, problem, rows)
    return made("lightgbm", inputs, problem, rows).with_settings({"colsample_bytree": 1.0})


def narrowed(fold: Fold, names: list[str]) -> Fold:
    learn, ask = (replace(rows, frame=rows.frame[names]) for rows in (fold.learn, fold.ask))
    return replace(fold, learn=learn, ask=ask, kept={})


def subsets(judge: Candidate, fold: Fold, inputs: Sequence[Input], problem: Problem) -> Subsets:
    """Subsets of the inputs by one fold's rows to learn from; the smallest first, all last."""
    step, values, _ = fold.prepared(judge)
    origin = np.array(sources(step))
    names = [each.name for each in inputs]
    always = needed(names, problem) & set(names)
    method = by_penalty if problem.selection == L1 else by_elimination
    found = method(judge, values, fold, origin)
    return {name: frozenset(subset | always) for name, subset in found.items()} | {ALL: frozenset(names)}


def by_penalty(
    judge: Candidate, values: NDArray[Any], fold: Fold, origin: NDArray[Any]
) -> dict[str, set[str]]:
    """The inputs with a coefficient under each penalty, the strongest first."""
    found = {}
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, l1_ratio=1.0, solver="liblinear", max_iter=200, random_state=0)
        used = model.fit(values, fold.learn.churned.astype(int)).coef_[0] != 0
        found[f"C = {strength:g}"] = set(origin[used])
    return found


def by_elimination(
    judge: Candidate, values: NDArray[Any], fold: Fold, origin: NDArray[Any]
) -> dict[str, set[str]]:
    """The inputs that are left after each round, the fewest first."""
    left, rounds = list(dict.fromkeys(origin)), []
    while len(left) > FEWEST:
        columns = np.isin(origin, left)
        rows = Rows(values[:, columns], fold.learn.churned.astype(int), fold.learn.at, fold.gap)
        model = fit(judge, None, rows, stopping=False).named_steps["model"]
        gain = model.booster_.feature_importance("gain")
        worth = {name: gain[origin[columns] == name].sum() for name in left}
        number = max(FEWEST, int(len(left) * SHARE_OF_EACH_ROUND))
        left = sorted(left, key=lambda name: (-worth[name], name))[:number]
        rounds.append(set(left))
    return {f"round {len(rounds) - place}": names for place, names in enumerate(rounds[::-1])}


def probability_with(judge: Candidate, fold: Fold, subset: frozenset[str], seed: int) -> Floats:
    """The judge's probability of each later row when it reads only the inputs of ``subset``."""
    step, values, later = fold.prepared(judge)
    columns = np.isin(np.array(sources(step)), list(subset))
    rows = Rows(values[:, columns], fold.learn.churned.astype(int), fold.learn.at, fold.gap)
    model = fit(judge, None, rows, stopping=False).named_steps["model"]
    return calibrated(fold.ask, model.predict_proba(later[:, columns])[:, 1].astype(np.float64), seed)
