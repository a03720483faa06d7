"""Fewer inputs, where the problem asks for a selection: kept only where later rows say it is no worse.

``l1``: the inputs that a logistic regression with an ever stronger L1 penalty still uses. ``elimination``:
again and again without the third that a booster used least. Each subset learns from a fold's rows and is
asked about its later ones; the smallest within one standard error of the best is taken, refitted from all
training rows. What rules and derived columns read always stays.
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
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)
FEWEST = 6
KEPT_EACH_TIME = 2 / 3
ALL = "all"
Subsets: TypeAlias = Mapping[str, frozenset[str]]


def select(
    inputs: list[Input], folds: list[Fold], problem: Problem, step: Callable[[str], None]
) -> tuple[list[Input], list[Fold], dict[str, str]]:
    """The inputs that stay, folds of them alone, and why each other one is left out."""
    if problem.selection == NONE:
        return inputs, folds, {}
    judges = folds[:-1] or folds
    rows = len(folds[-1].learn.churned)
    judge = judge_of(inputs, problem, rows)
    trials: dict[str, list[Floats]] = {}
    for fold in judges:
        for name, kept in subsets(judge, fold, inputs, problem).items():
            step(f"selecting inputs: {name}")
            trials.setdefault(name, []).append(asked_with(judge, fold, kept, problem.seed))
        fold.forget()
    whole = {name: tuple(found) for name, found in trials.items() if len(found) == len(judges)}
    tried = [Trial(replace(judge, name=name), found, Pipeline([])) for name, found in whole.items()]
    chosen = simplest_as_good(tried, judges, problem, list(whole)).chosen
    kept = subsets(judge, folds[-1], inputs, problem).get(chosen, frozenset(each.name for each in inputs))
    folds[-1].forget()
    stay = [each for each in inputs if each.name in kept]
    names = [each.name for each in stay]
    left_out = {
        each.name: f"not needed, says {problem.selection}" for each in inputs if each.name not in kept
    }
    return stay, [narrowed(fold, names) for fold in folds], left_out


def judge_of(inputs: Sequence[Input], problem: Problem, rows: int) -> Candidate:
    """The model that tells subsets apart: linear, or a booster whose trees see every column of the subset."""
    if problem.selection == L1:
        return made("logistic_regression", inputs, problem, rows)
    return made("lightgbm", inputs, problem, rows).with_settings({"colsample_bytree": 1.0})


def narrowed(fold: Fold, names: list[str]) -> Fold:
    """The fold with these inputs alone."""
    learn, ask = (replace(rows, frame=rows.frame[names]) for rows in (fold.learn, fold.ask))
    return replace(fold, learn=learn, ask=ask, kept={})


def subsets(judge: Candidate, fold: Fold, inputs: Sequence[Input], problem: Problem) -> Subsets:
    """Subsets of the inputs, as one fold's rows to learn from tell them; the smallest first, all last."""
    step, values, _ = fold.prepared(judge)
    origin = np.array(sources(step))
    names = [each.name for each in inputs]
    always = needed(names, problem) & set(names)
    find = by_penalty if problem.selection == L1 else by_elimination
    found = find(judge, values, fold, origin)
    return {name: frozenset(kept | always) for name, kept in found.items()} | {ALL: frozenset(names)}


def by_penalty(
    judge: Candidate, values: NDArray[Any], fold: Fold, origin: NDArray[Any]
) -> dict[str, set[str]]:
    """What is used under each penalty, the strongest first."""
    found = {}
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, l1_ratio=1.0, solver="liblinear", max_iter=200, random_state=0)
        used = model.fit(values, fold.learn.churned.astype(int)).coef_[0] != 0
        found[f"C = {strength:g}"] = set(origin[used])
    return found


def by_elimination(
    judge: Candidate, values: NDArray[Any], fold: Fold, origin: NDArray[Any]
) -> dict[str, set[str]]:
    """What is left after each round, the fewest first."""
    left, found = list(dict.fromkeys(origin)), []
    while len(left) > FEWEST:
        columns = np.isin(origin, left)
        rows = Rows(values[:, columns], fold.learn.churned.astype(int), fold.learn.at, fold.gap)
        model = fit(judge, None, rows, stopping=False).named_steps["model"]
        gain = model.booster_.feature_importance("gain")
        worth = {name: gain[origin[columns] == name].sum() for name in left}
        wanted = max(FEWEST, int(len(left) * KEPT_EACH_TIME))
        left = sorted(left, key=lambda name: (-worth[name], name))[:wanted]
        found.append(set(left))
    return {f"round {len(found) - place}": kept for place, kept in enumerate(found[::-1])}


def asked_with(judge: Candidate, fold: Fold, kept: frozenset[str], seed: int) -> Floats:
    """What the judge says of the later rows when it reads only some inputs."""
    step, values, asked = fold.prepared(judge)
    columns = np.isin(np.array(sources(step)), list(kept))
    rows = Rows(values[:, columns], fold.learn.churned.astype(int), fold.learn.at, fold.gap)
    model = fit(judge, None, rows, stopping=False).named_steps["model"]
    return calibrated(fold.ask, model.predict_proba(asked[:, columns])[:, 1].astype(np.float64), seed)
