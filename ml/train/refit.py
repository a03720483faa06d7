"""Refit: every candidate learns once more, from the training and the selection rows together.

The refit adds customers at later cut-offs and keeps the settings; boosters grow as many trees as they stopped
at. The calibration rows stay unseen until they calibrate the refitted candidate.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ml.config.problem import REGRESSION, Problem
from ml.model.fitted_model import raw_prediction
from ml.train.calibration_choice import Period
from ml.train.champion_choice import FittedCandidate, calibrate_and_time, period_of
from ml.train.folds import Fold, LabelledRows
from ml.train.trials import Trial
from ml.train.tuning import settings_of


def refit_all(
    trials: Sequence[Trial],
    folds: Sequence[Fold],
    held_out: LabelledRows,
    problem: Problem,
    step: Callable[[str], None],
) -> list[FittedCandidate]:
    """Each candidate, refitted and calibrated.

    Parameters
    ----------
    trials : sequence of Trial
        With the pipelines of the last fold.
    folds : sequence of Fold
        Those of the trials.
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
    last = folds[-1]
    fold = replace(last, train=last.train.append(last.validation), validation=held_out, cache={})
    refitted = []
    for trial in trials:
        step(f"fitting {trial.candidate.name} anew")
        settings = settings_of(trial.candidate, trial.pipeline.named_steps["model"])
        candidate = trial.candidate.with_settings(settings)
        pipeline, raw = fold.trial(candidate, stopping=False)
        candidate = replace(candidate, pipeline=pipeline)
        periods = () if problem.task == REGRESSION else periods_of(trial, folds, held_out)
        refitted.append(calibrate_and_time(candidate, held_out, raw, problem, periods))
    return refitted


def periods_of(trial: Trial, folds: Sequence[Fold], held_out: LabelledRows) -> list[Period]:
    """The validation rows of each fold; those of the last with the calibration rows, of the same cut-offs."""
    periods = [period_of(fold.validation, raw) for fold, raw in zip(folds, trial.raw, strict=True)]
    rest = period_of(held_out, raw_prediction(trial.pipeline, held_out.frame))
    return [*periods[:-1], periods[-1].append(rest)]
