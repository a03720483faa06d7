"""Refit: after the choice every candidate learns from the selection rows as well.

Each learns with its settings from all rows of the last fold: more customers at later cut-offs. Boosters grow
as many trees as they stopped at. The calibration rows stay unseen until they calibrate the refitted model.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ml.train.choice import Fitted, fitted
from ml.train.folds import Asked, Fold
from ml.train.trials import Trial
from ml.train.tuning import settings_of


def refit_all(
    trials: Sequence[Trial], last: Fold, held_out: Asked, how: str, step: Callable[[str], None]
) -> list[Fitted]:
    """Each candidate as it will be judged.

    Parameters
    ----------
    trials : sequence of Trial
        Their pipelines are those of the last fold.
    last : Fold
    held_out : Asked
        The calibration rows.
    how : str
        The problem's calibration.
    step : callable
        Called with the title of each step.

    Returns
    -------
    list of Fitted
        In the order of ``trials``, calibrated.
    """
    whole = replace(last, learn=last.learn.and_then(last.ask), ask=held_out, kept={})
    ready = []
    for trial in trials:
        step(f"fitting {trial.candidate.name} anew")
        settings = settings_of(trial.candidate, trial.pipeline.named_steps["model"])
        candidate = trial.candidate.with_settings(settings)
        pipeline, raw = whole.trial(candidate, stopping=False)
        ready.append(fitted(replace(candidate, pipeline=pipeline), held_out, raw, how))
    return ready
