"""Which candidate becomes champion: the best on the selection rows, or a simpler one that is as good.

"As good" is within one standard error of the paired difference to the best (Breiman et al., 1984).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml.errors import ModelError
from ml.model.calibration import Calibration, calibrate
from ml.model.churn_model import raw_probability
from ml.model.estimators import Floats
from ml.problem import Problem
from ml.train.candidates import Candidate
from ml.train.metrics import LOWER_IS_BETTER, bootstrap, measure
from ml.train.parts import Part

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


def fitted(candidate: Candidate, calibration_frame: pd.DataFrame, churned: Floats) -> Fitted:
    """Calibrate a candidate whose pipeline has been fitted, and time it on one customer."""
    raw = raw_probability(candidate.pipeline, calibration_frame)
    return Fitted(candidate, calibrate(churned, raw), milliseconds_for_one(candidate, calibration_frame[:1]))


def milliseconds_for_one(candidate: Candidate, row: pd.DataFrame) -> float:
    """The shortest time of one customer's probability: what else the machine does can only add to it."""
    taken = []
    for _ in range(TIMED_RUNS):
        start = time.process_time()
        raw_probability(candidate.pipeline, row)
        taken.append(time.process_time() - start)
    return min(taken) * 1000


def choose(ready: Sequence[Fitted], part: Part, frame: pd.DataFrame, problem: Problem) -> Choice:
    """Choose among candidates given from the simplest on.

    Raises
    ------
    ModelError
        None is fast enough.
    """
    probabilities = {each.candidate.name: each.probability(frame) for each in ready}
    values = {
        name: float(measure(part.churned, given)[problem.metric][0]) for name, given in probabilities.items()
    }
    drawn = bootstrap(part.churned, probabilities, part.customers, problem.seed)
    quick = [each.candidate.name for each in ready if each.milliseconds <= problem.constraints.latency_ms]
    if not quick:
        raise ModelError(
            f"no candidate scores one customer within {problem.constraints.latency_ms} ms: raise "
            "constraints.latency_ms in the problem, or train on a faster machine"
        )
    sign = -1.0 if problem.metric in LOWER_IS_BETTER else 1.0
    best = max(quick, key=lambda name: sign * values[name])
    errors = {name: standard_error(drawn, name, best, problem.metric) for name in values}
    champion = next(name for name in quick if sign * (values[best] - values[name]) <= errors[name])
    return Choice(champion, table_of(ready, values, errors, best, champion))


def standard_error(drawn: Mapping[str, Mapping[str, Floats]], name: str, best: str, metric: str) -> float:
    """Of the difference between two candidates in the same replicates."""
    return float(np.std(drawn[name][metric] - drawn[best][metric], ddof=1))


def table_of(
    ready: Sequence[Fitted],
    values: Mapping[str, float],
    errors: Mapping[str, float],
    best: str,
    champion: str,
) -> list[dict[str, Any]]:
    """One row a candidate, from the simplest on."""
    return [
        {
            "candidate": each.candidate.name,
            "value": values[each.candidate.name],
            "standard_error_to_best": errors[each.candidate.name],
            "milliseconds": round(each.milliseconds, 2),
            "best": each.candidate.name == best,
            "champion": each.candidate.name == champion,
        }
        for each in ready
    ]
