"""Selection of inputs, where the problem asks for it: the smallest subset that is no worse on later rows.

``l1``: the inputs that a logistic regression with an L1 penalty still uses, for several penalties.
``elimination``: round after round without the third that a booster used least. A model is fitted on each
subset in every fold; the smallest subset within one standard error of the best is taken, and determined once
more from all training rows. The inputs of the recency rule and of derived columns always stay.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ml.common.array_types import Floats
from ml.config.problem import Problem
from ml.model.inputs import Input
from ml.model.preparation import sources
from ml.train.candidates import Candidate, make_candidate, required_features
from ml.train.fitting import fit
from ml.train.folds import Fold
from ml.train.trials import Trial, cross_calibrate, simplest_as_good

NONE, L1 = "none", "l1"
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)  # C of the penalty: from a few inputs to nearly all
FEWEST = 6  # inputs; with fewer a booster loses to the linear model
SHARE_OF_EACH_ROUND = 2 / 3  # of the inputs stays: nine rounds from 200 inputs to the fewest
ALL = "all"
Subsets: TypeAlias = Mapping[str, frozenset[str]]


def select(
    inputs: list[Input], folds: list[Fold], problem: Problem, step: Callable[[str], None]
) -> tuple[list[Input], list[Fold], dict[str, str]]:
    """The selected inputs, folds of them alone, and why each other one is left out."""
    if problem.selection == NONE:
        return inputs, folds, {}
    earlier = folds[:-1] or folds  # the selection rows choose the champion, so they choose no inputs
    model = subset_model(inputs, problem, len(folds[-1].train.labels))
    probabilities: dict[str, list[Floats]] = {}
    for fold in earlier:
        for name, subset in find_subsets(model, fold, inputs, problem).items():
            step(f"selecting inputs: {name}")
            probabilities.setdefault(name, []).append(subset_probability(model, fold, subset, problem.seed))
        fold.clear_cache()
    trials = [
        Trial(replace(model, name=name), tuple(by_fold), Pipeline([]))
        for name, by_fold in probabilities.items()
        if len(by_fold) == len(earlier)  # every fold has a subset of this name
    ]
    names = [trial.candidate.name for trial in trials]
    chosen = simplest_as_good(trials, earlier, problem, names).chosen
    last_subsets = find_subsets(model, folds[-1], inputs, problem)
    subset = last_subsets.get(chosen, last_subsets[ALL])
    folds[-1].clear_cache()
    selected = [feature for feature in inputs if feature.name in subset]
    reason = f"not needed, says {problem.selection}"
    left_out = {feature.name: reason for feature in inputs if feature.name not in subset}
    return selected, [keep_inputs(fold, [feature.name for feature in selected]) for fold in folds], left_out


def subset_model(inputs: Sequence[Input], problem: Problem, rows: int) -> Candidate:
    """The model that compares subsets: linear, or a booster whose trees see every column of the subset."""
    if problem.selection == L1:
        return make_candidate("logistic_regression", inputs, problem, rows)
    return make_candidate("lightgbm", inputs, problem, rows).with_settings({"colsample_bytree": 1.0})


def keep_inputs(fold: Fold, names: list[str]) -> Fold:
    train, validation = (replace(rows, frame=rows.frame[names]) for rows in (fold.train, fold.validation))
    return replace(fold, train=train, validation=validation, cache={})


def find_subsets(model: Candidate, fold: Fold, inputs: Sequence[Input], problem: Problem) -> Subsets:
    """Subsets of the inputs by one fold's training rows; the smallest first, all last."""
    preparation, values, _ = fold.prepare(model)
    origin = np.array(sources(preparation))
    names = [feature.name for feature in inputs]
    always = required_features(names, problem) & set(names)
    method = by_penalty if problem.selection == L1 else by_elimination
    subsets = method(model, values, fold, origin)
    return {name: frozenset(subset | always) for name, subset in subsets.items()} | {ALL: frozenset(names)}


def by_penalty(
    model: Candidate, values: NDArray[Any], fold: Fold, origin: NDArray[Any]
) -> dict[str, set[str]]:
    """The inputs with a coefficient under each penalty, the strongest penalty first."""
    subsets = {}
    for strength in STRENGTHS:
        linear = LogisticRegression(
            C=strength, l1_ratio=1.0, solver="liblinear", max_iter=200, random_state=0
        )
        used = linear.fit(values, fold.train.labels.astype(int)).coef_[0] != 0
        subsets[f"C = {strength:g}"] = set(origin[used])
    return subsets


def by_elimination(
    model: Candidate, values: NDArray[Any], fold: Fold, origin: NDArray[Any]
) -> dict[str, set[str]]:
    """The inputs that are left after each round, the fewest first."""
    left, rounds = list(dict.fromkeys(origin)), []
    while len(left) > FEWEST:
        columns = np.isin(origin, left)
        booster = fit_columns(model, fold, values[:, columns]).booster_
        gain = booster.feature_importance("gain")
        gain_of = {name: gain[origin[columns] == name].sum() for name in left}
        number = max(FEWEST, int(len(left) * SHARE_OF_EACH_ROUND))
        left = sorted(left, key=lambda name: (-gain_of[name], name))[:number]
        rounds.append(set(left))
    return {f"round {number}": rounds[number - 1] for number in range(len(rounds), 0, -1)}


def subset_probability(model: Candidate, fold: Fold, subset: frozenset[str], seed: int) -> Floats:
    """The model's probability of each validation row, fitted on the inputs of ``subset``."""
    preparation, train, validation = fold.prepare(model)
    columns = np.isin(np.array(sources(preparation)), list(subset))
    raw = fit_columns(model, fold, train[:, columns]).predict_proba(validation[:, columns])[:, 1]
    return cross_calibrate(fold.validation, raw.astype(np.float64), seed)


def fit_columns(model: Candidate, fold: Fold, values: NDArray[Any]) -> Any:
    return fit(model, None, fold.prepared_rows(model, values), stopping=False).named_steps["model"]
