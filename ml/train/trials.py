"""Trials: the predictions of candidates in every fold, and their ranking; probabilities are calibrated.

One half of a fold's customers calibrates the other half and vice versa, so that a candidate is judged by how
well it ranks customers and not by its level, and a customer's own rows do not calibrate it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from ml.common.array_types import Floats
from ml.common.sampling import in_first_half
from ml.config.problem import REGRESSION, Problem
from ml.metrics.bootstrap import customer_weights
from ml.metrics.measure import LOWER_IS_BETTER, measure
from ml.model.calibration import platt
from ml.model.probability import log_odds
from ml.model.value_model import at_least, lowest_amount
from ml.train.candidates import Candidate
from ml.train.folds import Fold, LabelledRows

CELLS_AT_ONCE = 2_000_000  # weights in memory at one time; each needs several arrays of its size


@dataclass(frozen=True)
class Trial:
    """One candidate in all folds.

    Parameters
    ----------
    candidate : Candidate
    probabilities : tuple of arrays
        Calibrated, of each fold's validation rows; the amounts of a regression.
    pipeline : Pipeline
        As fitted in the last fold, on the whole training part.
    raw : tuple of arrays
        The raw probabilities, or amounts, of the same rows.
    """

    candidate: Candidate
    probabilities: tuple[Floats, ...]
    pipeline: Pipeline
    raw: tuple[Floats, ...] = ()


@dataclass(frozen=True)
class Ranking:
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
    candidates: Sequence[Candidate], folds: Sequence[Fold], problem: Problem, step: Callable[[str], None]
) -> list[Trial]:
    raws: dict[str, list[Floats]] = {candidate.name: [] for candidate in candidates}
    pipelines: dict[str, Pipeline] = {}
    for number, fold in enumerate(folds, start=1):
        for candidate in candidates:
            step(f"fitting {candidate.name}, fold {number} of {len(folds)}")
            pipelines[candidate.name], raw = fold.trial(candidate)
            raws[candidate.name].append(raw)
        fold.clear_cache()
    return [
        Trial(
            candidate,
            tuple(judged(fold, raw, problem) for fold, raw in zip(folds, raws[candidate.name], strict=True)),
            pipelines[candidate.name],
            tuple(raws[candidate.name]),
        )
        for candidate in candidates
    ]


def judged(fold: Fold, raw: Floats, problem: Problem) -> Floats:
    """What a candidate is judged by: its cross-calibrated probabilities, or its amounts, none too low."""
    if problem.task == REGRESSION:
        return at_least(lowest_amount(fold.train.labels), raw)
    return cross_calibrate(fold.validation, raw, problem.seed)


def cross_calibrate(rows: LabelledRows, raw: Floats, seed: int) -> Floats:
    """Probabilities of each half of the customers, by Platt's line of the other half.

    They stay raw where a half has one class only.
    """
    first = np.array([in_first_half(customer, seed) for customer in rows.customers])
    result = raw.copy()
    for half in (first, ~first):
        if len(np.unique(rows.labels[~half])) < 2:
            return raw
        result[half] = platt(rows.labels[~half], log_odds(raw[~half])).apply(raw[half])
    return result


def metric_value(rows: LabelledRows, probability: Floats, problem: Problem) -> float:
    return float(metric_by_replicate(rows, probability, problem, None)[0])


def metric_by_replicate(
    rows: LabelledRows, probability: Floats, problem: Problem, weights: Floats | None
) -> Floats:
    """The problem's metric for each row of weights, shape (replicates,)."""
    name = problem.metric
    return measure(rows.labels, probability, weights, costs=problem.costs, names=(name,))[name]


def sign(problem: Problem) -> float:
    """1 where more is better, -1 where less is."""
    return -1.0 if problem.metric in LOWER_IS_BETTER else 1.0


def bootstrap_means(trials: Sequence[Trial], folds: Sequence[Fold], problem: Problem) -> dict[str, Floats]:
    """Each candidate's metric, averaged over folds, in the same bootstrap replicates of customers.

    A customer has the same weight in every fold, so that customers of several folds do not narrow the errors.
    """
    slices: dict[str, list[Floats]] = {trial.candidate.name: [] for trial in trials}
    samples = [fold.validation for fold in folds]
    customers, churned = [rows.customers for rows in samples], [rows.labels for rows in samples]
    for weights in customer_weights(customers, churned, problem.seed, cells_at_once=CELLS_AT_ONCE):
        for trial in trials:
            by_fold = [
                metric_by_replicate(rows, probability, problem, weight)
                for rows, probability, weight in zip(samples, trial.probabilities, weights, strict=True)
            ]
            slices[trial.candidate.name].append(np.mean(by_fold, axis=0))
    return {name: np.concatenate(arrays) for name, arrays in slices.items()}


def simplest_as_good(
    trials: Sequence[Trial], folds: Sequence[Fold], problem: Problem, eligible: Collection[str]
) -> Ranking:
    """The first of the eligible trials that is within one standard error of their best.

    The standard error is that of the paired difference to the best (Breiman et al., 1984).
    """
    by_fold = {trial.candidate.name: metric_by_fold(trial, folds, problem) for trial in trials}
    means = {name: float(np.mean(values)) for name, values in by_fold.items()}
    names = [name for name in means if name in eligible]
    best = max(names, key=lambda name: sign(problem) * means[name])
    replicates = bootstrap_means(trials, folds, problem)
    errors = {name: float(np.std(replicates[name] - replicates[best], ddof=1)) for name in means}
    good = (name for name in names if sign(problem) * (means[best] - means[name]) <= errors[name])
    return Ranking(next(good), best, by_fold, means, errors)


def metric_by_fold(trial: Trial, folds: Sequence[Fold], problem: Problem) -> list[float]:
    """The problem's metric in each fold."""
    pairs = zip(folds, trial.probabilities, strict=True)
    return [metric_value(fold.validation, probability, problem) for fold, probability in pairs]
