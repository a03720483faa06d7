"""Better settings of the promising candidates, searched by Optuna within the training part.

Only the earlier folds are looked at, so that the selection rows judge what comes out. Each trial draws from a
seed of its own, so that a search that was interrupted goes on where it stopped and ends where it would have.
"""

import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ml.common.errors import TidemarkError
from ml.config.problem import Problem
from ml.train.candidates import Candidate
from ml.train.folds import Fold
from ml.train.spaces import SPACES, Between
from ml.train.trials import Trial, calibrated, sign, try_all, value, values

FILE = "tuning.db"
MOST_TUNED = 2  # candidates; a search of a third hardly ever made it the champion
STARTING_TRIALS = 4  # at random, before the Parzen estimators have something to learn from
SETTLED = ("COMPLETE", "PRUNED")
LIBRARIES = ("lightgbm", "optuna", "scikit-learn", "xgboost-cpu")


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    candidate : str
    trials, pruned : int
        How many settings were tried, and how many of them given up after a fold.
    cut_short : bool
        The seconds were over before the trials were.
    before, after : float
        The metric over the earlier folds with the usual settings, and with the best.
    settings : dict
        What is changed; nothing where nothing better was found.
    """

    candidate: str
    trials: int
    pruned: int
    cut_short: bool
    before: float
    after: float
    settings: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def tune_promising(
    trials: Sequence[Trial],
    folds: Sequence[Fold],
    problem: Problem,
    place: Path,
    step: Callable[[str], None],
    tried: Mapping[str, int] | None = None,
) -> tuple[list[Trial], list[Tuned]]:
    """The trials, those of the promising candidates with better settings, and what the searches found.

    Parameters
    ----------
    trials : sequence of Trial
        With the usual settings, in ``folds``.
    place : Path
        The folder of the file that remembers searches.
    step : callable
        Called with the title of each step.
    tried : mapping, optional
        Candidate name to how many settings are tried, however long it takes; by default as the problem says.
    """
    names = promising(trials, folds, problem)
    found: dict[str, Tuned] = {}
    ends = time.monotonic() + (problem.tuning.seconds if tried is None else math.inf)
    for index, name in enumerate(names):
        left = (ends - time.monotonic()) / (len(names) - index)
        trial = next(each for each in trials if each.candidate.name == name)
        budget = problem.tuning if tried is None else replace(problem.tuning, trials=tried.get(name, 0))
        search = Search(trial, folds[:-1], replace(problem, tuning=budget), place / FILE)
        with remembered_in(place / FILE):
            found[name] = search.run(time.monotonic() + left, step)
    for fold in folds[:-1]:
        fold.forget()
    better = [
        trial.candidate.with_settings(found[trial.candidate.name].settings)
        for trial in trials
        if trial.candidate.name in found and found[trial.candidate.name].settings
    ]
    again = {trial.candidate.name: trial for trial in try_all(better, folds, problem.seed, step)}
    return [again.get(trial.candidate.name, trial) for trial in trials], list(found.values())


@contextmanager
def remembered_in(file: Path) -> Iterator[None]:
    """Turn an error of the file that remembers searches into one sentence."""
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
        trial.candidate.name: sign(problem) * before(trial, folds, problem)
        for trial in trials
        if trial.candidate.name in SPACES
    }
    return sorted(means, key=lambda name: -means[name])[:MOST_TUNED]


def before(trial: Trial, folds: Sequence[Fold], problem: Problem) -> float:
    return float(np.mean(values(trial, folds, problem)[:-1]))


class Search:
    """One candidate's search.

    Parameters
    ----------
    trial : Trial
        With the usual settings.
    folds : sequence of Fold
        The earlier ones.
    problem : Problem
    file : Path
        An SQLite file, made if missing, that remembers every trial.
    """

    def __init__(self, trial: Trial, folds: Sequence[Fold], problem: Problem, file: Path) -> None:
        self.candidate = trial.candidate
        self.folds, self.problem = folds, problem
        pairs = zip(folds, trial.probabilities, strict=False)
        self.before = float(np.mean([value(fold.ask, probability, problem) for fold, probability in pairs]))
        self.file = file

    def run(self, deadline: float, step: Callable[[str], None]) -> Tuned:
        """Try settings until there were enough trials or the deadline, by the monotonic clock, has passed."""
        study = self.study()
        number = self.problem.tuning.trials
        if self.problem.tuning.search == "grid":
            number = min(
                number, math.prod(len(each.steps()) for each in SPACES[self.candidate.name].values())
            )
        done = settled(study)
        while len(done) < number and time.monotonic() < deadline:
            step(f"tuning {self.candidate.name}, trial {len(done) + 1} of {number}")
            self.one_trial(study, len(done))
            done = settled(study)
        return self.outcome(done[:number], cut_short=len(done) < number and time.monotonic() >= deadline)

    def study(self) -> Any:
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

    def one_trial(self, study: Any, number: int) -> None:
        """Try one setting in fold after fold; give it up where half of the others were better by then."""
        import optuna

        study.sampler = sampler(self.problem, number)
        if self.problem.tuning.search == "grid":
            study.enqueue_trial(point_of_grid(self.candidate.name, self.problem.seed, number))
        trial = study.ask()
        settings = drawn(trial, self.candidate.name)
        candidate = self.candidate.with_settings(settings)
        scores: list[float] = []
        for index, fold in enumerate(self.folds):
            _, raw = fold.trial(candidate)
            probability = calibrated(fold.ask, raw, self.problem.seed)
            scores.append(sign(self.problem) * value(fold.ask, probability, self.problem))
            trial.report(float(np.mean(scores)), index)
            if index + 1 < len(self.folds) and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return
        study.tell(trial, float(np.mean(scores)))

    def outcome(self, done: Sequence[Any], *, cut_short: bool) -> Tuned:
        """The best of the trials, if it beats the usual settings."""
        whole = [trial for trial in done if trial.state.name == "COMPLETE"]
        best = max(whole, key=lambda trial: trial.value, default=None)
        nothing = Tuned(
            self.candidate.name, len(done), len(done) - len(whole), cut_short, self.before, self.before, {}
        )
        if best is None or best.value <= sign(self.problem) * self.before:
            return nothing
        return replace(nothing, after=sign(self.problem) * best.value, settings=dict(best.params))

    def fingerprint(self) -> str:
        """What a search depends on: rows, problem, usual settings, libraries."""
        digest = hashlib.sha256()
        for fold in self.folds:
            _, earlier, later = fold.prepared(self.candidate)
            for array in (earlier, later, fold.learn.churned, fold.ask.churned):
                digest.update(np.ascontiguousarray(array).tobytes())
        stated = self.problem.as_dict()
        stated["tuning"] = self.problem.tuning.search
        usual = {name: str(setting) for name, setting in self.candidate.model.get_params().items()}
        libraries = {name: version(name) for name in LIBRARIES}
        digest.update(json.dumps([stated, usual, libraries], sort_keys=True, default=str).encode())
        return digest.hexdigest()[:16]


def settled(study: Any) -> list[Any]:
    """The trials that came to an end, by number."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in SETTLED]


def sampler(problem: Problem, number: int) -> Any:
    """Where one trial's settings come from; seeded by its number."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = problem.seed + number
    if problem.tuning.search != "tpe":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TPESampler(seed=seed, n_startup_trials=STARTING_TRIALS, multivariate=True)


def point_of_grid(name: str, seed: int, number: int) -> dict[str, Any]:
    """One of all combinations of a few steps of each setting, in an order that the seed shuffles."""
    every = list(product(*(each.steps() for each in SPACES[name].values())))
    place = np.random.default_rng(seed).permutation(len(every))[number]
    return dict(zip(SPACES[name], every[place], strict=True))


def drawn(trial: Any, name: str) -> dict[str, Any]:
    """One setting of each kind."""
    return {
        key: trial.suggest_categorical(key, list(each.values))
        if not isinstance(each, Between)
        else trial.suggest_int(key, int(each.low), int(each.high), log=each.log)
        if each.whole
        else trial.suggest_float(key, each.low, each.high, log=each.log)
        for key, each in SPACES[name].items()
    }


def settings_of(candidate: Candidate, fitted_model: Any) -> dict[str, Any]:
    """What makes the same model again: the settings that can be tuned, and how many trees were grown."""
    if candidate.name not in SPACES:
        return {}
    settings = fitted_model.get_params()
    names = [*SPACES[candidate.name], "n_estimators", "max_iter"]
    return {name: settings[name] for name in names if name in settings} | {"balanced": candidate.balanced}
