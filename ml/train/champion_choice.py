"""Which candidate becomes champion: the best over all folds, or a simpler one that is as good.

"As good" is within one standard error of the paired difference to the best (Breiman et al., 1984).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ml.common.array_types import Floats
from ml.common.errors import ModelError
from ml.config.problem import REGRESSION, Problem
from ml.model.calibration import Calibration
from ml.model.fitted_model import raw_prediction
from ml.model.value_model import at_least, lowest_amount
from ml.train.calibration_choice import Period, calibrate_over
from ml.train.candidates import Candidate
from ml.train.folds import Fold, LabelledRows
from ml.train.trials import Trial, simplest_as_good

TIMED_RUNS = 15  # the shortest counts, as other work on the machine can only add to the time


@dataclass(frozen=True)
class FittedCandidate:
    """A candidate with a fitted pipeline, its calibration, and the milliseconds to score one customer.

    ``periods`` are what its calibration was chosen by. Amounts have no calibration; none is predicted below
    ``lowest``.
    """

    candidate: Candidate
    calibration: Calibration | None
    milliseconds: float
    lowest: float | None = None
    periods: tuple[Period, ...] = ()

    def prediction(self, frame: pd.DataFrame) -> Floats:
        """The calibrated probability, or the amount, of each row."""
        raw = raw_prediction(self.candidate.pipeline, frame)
        return at_least(self.lowest, raw) if self.calibration is None else self.calibration.apply(raw)


@dataclass(frozen=True)
class Contender:
    """One row of the table that the champion is chosen from.

    Parameters
    ----------
    candidate : str
    value : float
        The problem's metric, averaged over the folds.
    by_fold : list of float
        The metric in each fold.
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


def calibrate_and_time(
    candidate: Candidate,
    held_out: LabelledRows,
    raw: Floats,
    problem: Problem,
    periods: Sequence[Period] = (),
) -> FittedCandidate:
    """Calibrate a candidate by its probabilities ``raw`` of the held-out rows, and time it on one row.

    ``periods`` choose the kind of calibration, see ``calibration_choice``.
    """
    calibration = (
        None
        if problem.task == REGRESSION
        else calibrate_over(periods, period_of(held_out, raw), problem.calibration)
    )
    row, times = held_out.frame[:1], []
    for _ in range(TIMED_RUNS):
        start = time.process_time()
        raw_prediction(candidate.pipeline, row)
        times.append(time.process_time() - start)
    lowest = lowest_amount(held_out.labels) if problem.task == REGRESSION else None
    return FittedCandidate(candidate, calibration, min(times) * 1000, lowest, tuple(periods))


def period_of(rows: LabelledRows, raw: Floats) -> Period:
    """Rows that a model has not learned from, with its raw probabilities of them."""
    return Period(rows.labels, raw, rows.customers)


def milliseconds_by_name(candidates: Sequence[FittedCandidate]) -> dict[str, float]:
    return {fitted.candidate.name: fitted.milliseconds for fitted in candidates}


def choose(
    trials: Sequence[Trial], milliseconds: Mapping[str, float], folds: Sequence[Fold], problem: Problem
) -> Choice:
    """Choose the champion.

    Parameters
    ----------
    trials : sequence of Trial
        The simplest candidate first.
    milliseconds : mapping
        Candidate name to the time of one score.
    folds : sequence of Fold
        The folds of the trials.

    Raises
    ------
    ModelError
        No candidate is fast enough.
    """
    limit = problem.constraints.latency_ms
    eligible = [trial.candidate.name for trial in trials if milliseconds[trial.candidate.name] <= limit]
    if not eligible:
        raise ModelError(
            f"no candidate scores one customer within {limit} ms: raise constraints.latency_ms in the "
            "problem, or train on a faster machine"
        )
    ranking = simplest_as_good(trials, folds, problem, eligible)
    table = [
        Contender(
            candidate=name,
            value=ranking.means[name],
            by_fold=ranking.by_fold[name],
            standard_error_to_best=ranking.errors[name],
            milliseconds=round(milliseconds[name], 2),
            best=name == ranking.best,
            champion=name == ranking.chosen,
        )
        for name in ranking.means
    ]
    return Choice(ranking.chosen, table)
