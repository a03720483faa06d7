"""Refit: every candidate learns once more, from the training and the selection rows together.

The refit adds customers at later cut-offs and keeps the settings; boosters grow as many trees as they stopped
at. The calibration rows stay unseen until they calibrate the refitted candidate.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ml.config.problem import Problem
from ml.train.champion_choice import FittedCandidate, calibrate_and_time
from ml.train.folds import Fold, LabelledRows
from ml.train.trials import Trial
from ml.train.tuning import settings_of


def refit_all(
    trials: Sequence[Trial], last: Fold, held_out: LabelledRows, problem: Problem, step: Callable[[str], None]
) -> list[FittedCandidate]:
    """Each candidate, refitted and calibrated.

    Parameters
    ----------
    trials : sequence of Trial
        With the pipelines of the last fold.
    last : Fold
    held_out : LabelledRows
        The calibration rows.
    problem : Problem
        With the method of calibration.
    step : callable
        Called with the title of each step.

    Returns
    -------
    list of FittedCandidate
        In the order of ``trials``.
    """
    fold = replace(last, train=last.train.append(last.validation), validation=held_out, cache={})
    refitted = []
    for trial in trials:
        step(f"fitting {trial.candidate.name} anew")
        settings = settings_of(trial.candidate, trial.pipeline.named_steps["model"])
        candidate = trial.candidate.with_settings(settings)
        pipeline, raw = fold.trial(candidate, stopping=False)
        refitted.append(calibrate_and_time(replace(candidate, pipeline=pipeline), held_out, raw, problem))
    return refitted
