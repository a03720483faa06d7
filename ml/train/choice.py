"""Which candidate becomes champion: the best over all folds, or a simpler one that is as good.

"As good" is within one standard error of the paired difference to the best (Breiman et al., 1984).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ml.common.arrays import Floats
from ml.common.errors import ModelError
from ml.config.problem import Problem
from ml.model.calibration import Calibration, calibrate
from ml.model.churn_model import raw_probability
from ml.train.candidates import Candidate
from ml.train.folds import Asked, Fold
from ml.train.trials import Trial, simplest_as_good

TIMED_RUNS = 15  # the shortest one counts: other work on the machine can only add to the time


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate with its calibration, and the milliseconds it takes to score one customer."""

    candidate: Candidate
    calibration: Calibration
    milliseconds: float

    def probability(self, frame: pd.DataFrame) -> Floats:
        return self.calibration.apply(raw_probability(self.candidate.pipeline, frame))


@dataclass(frozen=True)
class Contender:
    """One row of the table that the champion is chosen from.

    Parameters
    ----------
    candidate : str
    value : float
        The problem's metric, averaged over the folds; ``by_fold`` has each.
    standard_error_to_best : float
        Of the paired difference to the best.
    milliseconds : float
        To score one customer.
    best, champion : bool
    """

    candidate: str
    value: float
    by_fold: list[float]
    standard_error_to_best: float
    milliseconds: float
    best: bool
    champion: bool


@dataclass(frozen=True)
class Choice:
    """The champion's name, and the table it was chosen from."""

    champion: str
    table: Sequence[Contender]


def fitted(candidate: Candidate, held_out: Asked, raw: Floats, how: str) -> Fitted:
    """Calibrate a fitted candidate by its probabilities ``raw`` of held-out rows, and time it on one row."""
    calibration = calibrate(held_out.churned, raw, how, held_out.customers)
    row, times = held_out.frame[:1], []
    for _ in range(TIMED_RUNS):
        start = time.process_time()
        raw_probability(candidate.pipeline, row)
        times.append(time.process_time() - start)
    return Fitted(candidate, calibration, min(times) * 1000)


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
    ranked = simplest_as_good(trials, folds, problem, quick)
    table = [
        Contender(
            candidate=name,
            value=ranked.means[name],
            by_fold=ranked.by_fold[name],
            standard_error_to_best=ranked.errors[name],
            milliseconds=round(milliseconds[name], 2),
            best=name == ranked.best,
            champion=name == ranked.chosen,
        )
        for name in ranked.means
    ]
    return Choice(ranked.chosen, table)
