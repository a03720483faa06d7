"""Better settings of the promising candidates, searched by Optuna within the training part.

A search uses only the earlier folds, so that the selection rows judge its result. Each trial has a seed of
its own, so that an interrupted search continues where it stopped and ends with the same result.
"""

import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ml.common.errors import TidemarkError
from ml.config.problem import Problem
from ml.train.candidates import Candidate
from ml.train.folds import Fold
from ml.train.search_spaces import SPACES, Between, Space, spaces
from ml.train.trials import Trial, judged, metric_by_fold, metric_value, sign, try_all

FILE = "tuning.db"
MOST_TUNED = 2  # candidates; a search of a third hardly ever made it the champion
STARTING_TRIALS = 4  # at random, before the Parzen estimators have something to learn from
ENDED = ("COMPLETE", "PRUNED")  # Optuna's names of states
LIBRARIES = ("lightgbm", "optuna", "scikit-learn", "xgboost-cpu")  # another version starts another search


@dataclass(frozen=True)
class SearchResult:
    """The outcome of a search.

    Parameters
    ----------
    candidate : str
    trials, pruned : int
        How many settings were tried, and how many of these trials were stopped after a fold.
    cut_short : bool
        The time limit ended the search before its last trial.
    before, after : float
        The mean metric of the earlier folds with the usual settings, and with the best.
    settings : dict
        The changed settings; empty where the usual ones are the best.
    """

    candidate: str
    trials: int
    pruned: int
    cut_short: bool
    before: float
    after: float
    settings: dict[str, Any]


def tune_promising(
    trials: Sequence[Trial],
    folds: Sequence[Fold],
    problem: Problem,
    folder: Path,
    step: Callable[[str], None],
    trials_of: Mapping[str, int] | None = None,
) -> tuple[list[Trial], list[SearchResult]]:
    """The trials, where a search was successful with the better settings, and the results of the searches.

    Parameters
    ----------
    trials : sequence of Trial
        With the usual settings, in ``folds``.
    folder : Path
        Where the file of all searches is kept.
    step : callable
        Called with the title of each step.
    trials_of : mapping, optional
        Candidate name to the number of its trials, without a limit of time; by default the problem's.
    """
    by_name = {trial.candidate.name: trial for trial in trials}
    names = promising(trials, folds, problem)
    results: dict[str, SearchResult] = {}
    deadline = time.monotonic() + (problem.tuning.seconds if trials_of is None else math.inf)
    for index, name in enumerate(names):
        # What one search leaves of the time is shared by those after it.
        seconds = (deadline - time.monotonic()) / (len(names) - index)
        tuning = problem.tuning
        if trials_of is not None:
            tuning = replace(tuning, trials=trials_of.get(name, 0))
        search = Search(by_name[name], folds[:-1], replace(problem, tuning=tuning), folder / FILE)
        with storage_errors(folder / FILE):
            results[name] = search.run(time.monotonic() + seconds, step)
    for fold in folds[:-1]:
        fold.clear_cache()
    better = [
        trial.candidate.with_settings(results[name].settings)
        for name, trial in by_name.items()
        if name in results and results[name].settings
    ]
    by_name |= {trial.candidate.name: trial for trial in try_all(better, folds, problem, step)}
    return list(by_name.values()), list(results.values())


@contextmanager
def storage_errors(file: Path) -> Iterator[None]:
    """Turn an error of the file of searches into one sentence."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", cause)).splitlines()[0]
        raise TidemarkError(
            f"{file}, which remembers searches for settings, cannot be used ({reason}): free some space, or "
            "remove the file if it is damaged"
        ) from error


def promising(trials: Sequence[Trial], folds: Sequence[Fold], problem: Problem) -> list[str]:
    """The best candidates over the earlier folds among those that can be tuned, the best first."""
    if len(folds) < 2 or not problem.tuning.trials:
        return []
    means = {
        trial.candidate.name: sign(problem) * float(np.mean(metric_by_fold(trial, folds, problem)[:-1]))
        for trial in trials
        if trial.candidate.name in spaces(problem.task)
    }
    return sorted(means, key=lambda name: -means[name])[:MOST_TUNED]


class Search:
    """One candidate's search.

    Parameters
    ----------
    trial : Trial
        With the usual settings.
    folds : sequence of Fold
        The earlier folds.
    problem : Problem
    file : Path
        An SQLite file of all trials, made if missing.
    """

    def __init__(self, trial: Trial, folds: Sequence[Fold], problem: Problem, file: Path) -> None:
        self.candidate = trial.candidate
        self.folds, self.problem = folds, problem
        self.space = spaces(problem.task)[trial.candidate.name]
        pairs = zip(folds, trial.probabilities, strict=False)  # the trial has the last fold too
        self.before = float(
            np.mean([metric_value(fold.validation, probability, problem) for fold, probability in pairs])
        )
        self.file = file

    def run(self, deadline: float, step: Callable[[str], None]) -> SearchResult:
        """Try settings until there were enough trials or the deadline, by the monotonic clock, has passed."""
        study = self.open_study()
        number = self.problem.tuning.trials
        if self.problem.tuning.search == "grid":
            number = min(number, len(grid(self.space)))
        done = ended_trials(study)
        while len(done) < number and time.monotonic() < deadline:
            step(f"tuning {self.candidate.name}, trial {len(done) + 1} of {number}")
            self.run_trial(study, len(done))
            done = ended_trials(study)
        return self.result(done[:number], cut_short=len(done) < number and time.monotonic() >= deadline)

    def open_study(self) -> Any:
        """The study of this search; trials that a killed process left unfinished count as failed."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            storage=f"sqlite:///{self.file}",
            study_name=f"{self.candidate.name} {self.fingerprint()}",
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
            load_if_exists=True,
        )
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        return study

    def run_trial(self, study: Any, number: int) -> None:
        """Try one setting in fold after fold; stop where half of the other trials were better by then."""
        import optuna

        study.sampler = sampler(self.problem, number)
        if self.problem.tuning.search == "grid":
            points = grid(self.space)
            order = np.random.default_rng(self.problem.seed).permutation(len(points))
            study.enqueue_trial(points[order[number]])
        trial = study.ask()
        candidate = self.candidate.with_settings(suggest_settings(trial, self.space))
        scores: list[float] = []
        for index, fold in enumerate(self.folds):
            _, raw = fold.trial(candidate)
            probability = judged(fold, raw, self.problem)
            scores.append(sign(self.problem) * metric_value(fold.validation, probability, self.problem))
            trial.report(float(np.mean(scores)), index)
            if index + 1 < len(self.folds) and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return
        study.tell(trial, float(np.mean(scores)))

    def result(self, done: Sequence[Any], *, cut_short: bool) -> SearchResult:
        """The best of the trials, if it is better than the usual settings."""
        complete = [trial for trial in done if trial.state.name == "COMPLETE"]
        best = max(complete, key=lambda trial: trial.value, default=None)
        pruned = len(done) - len(complete)
        usual = SearchResult(self.candidate.name, len(done), pruned, cut_short, self.before, self.before, {})
        if best is None or best.value <= sign(self.problem) * self.before:
            return usual
        return replace(usual, after=sign(self.problem) * best.value, settings=dict(best.params))

    def fingerprint(self) -> str:
        """A hash of all that a search depends on: rows, problem, usual settings, libraries."""
        digest = hashlib.sha256()
        for fold in self.folds:
            _, train, validation = fold.prepare(self.candidate)
            for array in (train, validation, fold.train.labels, fold.validation.labels):
                digest.update(np.ascontiguousarray(array).tobytes())
        # Without the limits on trials and time: a search with more of either continues the same study.
        problem = self.problem.as_dict() | {"tuning": self.problem.tuning.search}
        usual = {name: str(setting) for name, setting in self.candidate.model.get_params().items()}
        libraries = {name: version(name) for name in LIBRARIES}
        digest.update(json.dumps([problem, usual, libraries], sort_keys=True, default=str).encode())
        return digest.hexdigest()[:16]


def ended_trials(study: Any) -> list[Any]:
    """The complete and the pruned trials, by number."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in ENDED]


def sampler(problem: Problem, number: int) -> Any:
    """The source of one trial's settings; seeded by its number."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = problem.seed + number
    if problem.tuning.search != "tpe":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TPESampler(seed=seed, n_startup_trials=STARTING_TRIALS, multivariate=True)


def grid(space: Space) -> list[dict[str, Any]]:
    """All combinations of a few steps of each setting."""
    combinations = product(*(limits.steps() for limits in space.values()))
    return [dict(zip(space, point, strict=True)) for point in combinations]


def suggest_settings(trial: Any, space: Space) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, limits in space.items():
        if not isinstance(limits, Between):
            settings[key] = trial.suggest_categorical(key, list(limits.values))
        elif limits.whole:
            settings[key] = trial.suggest_int(key, int(limits.low), int(limits.high), log=limits.log)
        else:
            settings[key] = trial.suggest_float(key, limits.low, limits.high, log=limits.log)
    return settings


def settings_of(candidate: Candidate, fitted_model: Any) -> dict[str, Any]:
    """The settings that make the same model again: those that can be tuned, and the number of trees."""
    if candidate.name not in SPACES:
        return {}
    settings = fitted_model.get_params()
    names = [*SPACES[candidate.name], "n_estimators", "max_iter"]
    found = {name: settings[name] for name in names if name in settings}
    return found | ({"balanced": candidate.balanced} if hasattr(candidate.model, "predict_proba") else {})
