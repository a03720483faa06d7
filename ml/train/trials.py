"""Trials: the probabilities of candidates in every fold, calibrated across customers, and their ranking.

Half of a fold's customers calibrate the other half and the other way round, so that a candidate is judged by
how well it tells customers apart and not by its level, and a customer's own rows do not calibrate it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from ml.common.arrays import Floats
from ml.common.sampling import in_first_half
from ml.config.problem import Problem
from ml.metrics.bootstrap import customer_weights
from ml.metrics.scores import LOWER_IS_BETTER, measure
from ml.model.calibration import platt
from ml.model.probability import log_odds
from ml.train.candidates import Candidate
from ml.train.folds import Asked, Fold

CELLS_AT_ONCE = 2_000_000  # weights in memory at one time; each needs several arrays of its size


@dataclass(frozen=True)
class Trial:
    """One candidate in all folds.

    Parameters
    ----------
    candidate : Candidate
    probabilities : tuple of arrays
        Calibrated, of the rows each fold asks about.
    pipeline : Pipeline
        As the last fold fitted it: on the whole training part.
    """

    candidate: Candidate
    probabilities: tuple[Floats, ...]
    pipeline: Pipeline


@dataclass(frozen=True)
class Ranked:
    """Which trial is best, and the simplest that is as good.

    Parameters
    ----------
    chosen, best : str
        Names of candidates.
    by_fold : mapping
        Name to the metric in each fold; ``means`` to their mean, ``errors`` to the standard error of the
        difference to the best.
    """

    chosen: str
    best: str
    by_fold: Mapping[str, list[float]]
    means: Mapping[str, float]
    errors: Mapping[str, float]


def try_all(
    candidates: Sequence[Candidate], folds: Sequence[Fold], seed: int, step: Callable[[str], None]
) -> list[Trial]:
    """Every candidate in every fold."""
    probabilities: dict[str, list[Floats]] = {each.name: [] for each in candidates}
    pipelines: dict[str, Pipeline] = {}
    for number, fold in enumerate(folds, start=1):
        for each in candidates:
            step(f"fitting {each.name}, fold {number} of {len(folds)}")
            pipelines[each.name], raw = fold.trial(each)
            probabilities[each.name].append(calibrated(fold.ask, raw, seed))
        fold.forget()
    return [Trial(each, tuple(probabilities[each.name]), pipelines[each.name]) for each in candidates]


def calibrated(rows: Asked, raw: Floats, seed: int) -> Floats:
    """Each half of the customers by the line of the other half; raw where a half has one class only."""
    first = np.array([in_first_half(customer, seed) for customer in rows.customers])
    result = raw.copy()
    for half in (first, ~first):
        if len(np.unique(rows.churned[~half])) < 2:
            return raw
        result[half] = platt(rows.churned[~half], log_odds(raw[~half])).apply(raw[half])
    return result


def value(rows: Asked, probability: Floats, problem: Problem) -> float:
    return float(replicated(rows, probability, problem, None)[0])


def replicated(rows: Asked, probability: Floats, problem: Problem, weights: Floats | None) -> Floats:
    """The problem's metric for each row of weights, shape (replicates,)."""
    name = problem.metric
    return measure(rows.churned, probability, weights, costs=problem.costs, names=(name,))[name]


def sign(problem: Problem) -> float:
    """1 where more is better, -1 where less is."""
    return -1.0 if problem.metric in LOWER_IS_BETTER else 1.0


def over_folds(trials: Sequence[Trial], folds: Sequence[Fold], problem: Problem) -> dict[str, Floats]:
    """Each candidate's metric, averaged over folds, in the same bootstrap replicates of customers.

    A customer is drawn alike in every fold, so the customers that folds share do not narrow the errors.
    """
    slices: dict[str, list[Floats]] = {trial.candidate.name: [] for trial in trials}
    customers, churned = [fold.ask.customers for fold in folds], [fold.ask.churned for fold in folds]
    for weights in customer_weights(customers, churned, problem.seed, cells_at_once=CELLS_AT_ONCE):
        for trial in trials:
            by_fold = [
                replicated(fold.ask, probability, problem, weight)
                for fold, probability, weight in zip(folds, trial.probabilities, weights, strict=True)
            ]
            slices[trial.candidate.name].append(np.mean(by_fold, axis=0))
    return {name: np.concatenate(parts) for name, parts in slices.items()}


def simplest_as_good(
    trials: Sequence[Trial], folds: Sequence[Fold], problem: Problem, eligible: Collection[str]
) -> Ranked:
    """The first of the eligible trials that is within one standard error of their best.

    The standard error is that of the paired difference to the best (Breiman et al., 1984).
    """
    by_fold = {trial.candidate.name: values(trial, folds, problem) for trial in trials}
    means = {name: float(np.mean(each)) for name, each in by_fold.items()}
    names = [name for name in means if name in eligible]
    best = max(names, key=lambda name: sign(problem) * means[name])
    drawn = over_folds(trials, folds, problem)
    errors = {name: float(np.std(drawn[name] - drawn[best], ddof=1)) for name in means}
    good = (name for name in names if sign(problem) * (means[best] - means[name]) <= errors[name])
    return Ranked(next(good), best, by_fold, means, errors)


def values(trial: Trial, folds: Sequence[Fold], problem: Problem) -> list[float]:
    """The problem's metric in each fold."""
    pairs = zip(folds, trial.probabilities, strict=True)
    return [value(fold.ask, probability, problem) for fold, probability in pairs]
