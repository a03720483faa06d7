"""Which candidate becomes champion: the best over all folds, or a simpler one that is as good.

"As good" is within one standard error of the paired difference to the best (Breiman et al., 1984).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from ml.common.arrays import Floats
from ml.common.errors import ModelError
from ml.config.problem import Problem
from ml.model.calibration import Calibration, calibrate
from ml.model.churn_model import raw_probability
from ml.train.candidates import Candidate
from ml.train.folds import Asked, Fold
from ml.train.trials import Trial, simplest_as_good

TIMED_RUNS = 15


@dataclass(frozen=True)
class Fitted:
    """A candidate after fitting and calibration."""

    candidate: Candidate
    calibration: Calibration
    milliseconds: float

    def probability(self, frame: pd.DataFrame) -> Floats:
        """Calibrated probabilities."""
        return self.calibration.apply(raw_probability(self.candidate.pipeline, frame))


@dataclass(frozen=True)
class Choice:
    """The champion's name, and the table it was chosen from."""

    champion: str
    table: list[dict[str, Any]]


def fitted(candidate: Candidate, asked: Asked, raw: Floats, how: str) -> Fitted:
    """Calibrate a fitted candidate by what it says of other rows, ``raw``, and time it on one customer."""
    calibration = calibrate(asked.churned, raw, how, asked.customers)
    return Fitted(candidate, calibration, milliseconds_for_one(candidate.pipeline, asked.frame[:1]))


def milliseconds_for_one(pipeline: Pipeline, row: pd.DataFrame) -> float:
    """The shortest time of one customer's probability: what else the machine does can only add to it."""
    taken = []
    for _ in range(TIMED_RUNS):
        start = time.process_time()
        raw_probability(pipeline, row)
        taken.append(time.process_time() - start)
    return min(taken) * 1000


def choose(
    trials: Sequence[Trial], milliseconds: Mapping[str, float], folds: Sequence[Fold], problem: Problem
) -> Choice:
    """Choose among candidates given from the simplest on.

    Parameters
    ----------
    trials : sequence of Trial
    milliseconds : mapping
        Candidate name to the time of one score.
    folds : sequence of Fold
        Those of the trials.

    Raises
    ------
    ModelError
        None is fast enough.
    """
    limit = problem.constraints.latency_ms
    quick = [trial.candidate.name for trial in trials if milliseconds[trial.candidate.name] <= limit]
    if not quick:
        raise ModelError(
            f"no candidate scores one customer within {limit} ms: raise constraints.latency_ms in the "
            "problem, or train on a faster machine"
        )
    found = simplest_as_good(trials, folds, problem, quick)
    table = [
        {
            "candidate": name,
            "value": found.means[name],
            "by_fold": found.by_fold[name],
            "standard_error_to_best": found.errors[name],
            "milliseconds": round(milliseconds[name], 2),
            "best": name == found.best,
            "champion": name == found.chosen,
        }
        for name in found.means
    ]
    return Choice(found.chosen, table)
