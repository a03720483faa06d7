"""The model of a build, checked against the problem and the features of the build."""

from collections.abc import Callable
from pathlib import Path

from ml.common.errors import ModelError
from ml.common.progress import Progress
from ml.config.problem import Problem
from ml.featurestore.catalog import Catalog
from ml.home.layout import model_of
from ml.model.fitted_model import FittedModel
from ml.model.model_files import read_model
from ml.model.same_features import changed_inputs

LABEL_TERMS = ("label", "task", "horizon_days", "active_within_days", "label_delay_days")


def champion_of(
    build: Path,
    problem: Problem,
    progress: Progress,
    read: Callable[[Path], FittedModel] = read_model,
) -> FittedModel:
    """The champion of ``build``, if it was trained for the terms of ``problem``.

    A message names each threshold, band or other setting that changed since training; the change takes effect
    at the next training. With ``read_judged`` it is the champion as it was judged.

    Raises
    ------
    NotReadyError
        There is no model for the problem yet.
    ModelError
        Its files were changed, or it was trained for another horizon, activity span or delay.
    """
    model = read(model_of(build, problem.name))
    check_same_terms(model.problem, problem, model.version)
    changed = settings_changed(model.problem, problem)
    if changed:
        progress.say(
            f"note: {', '.join(changed)} changed in the problem since {model.version} was trained; what it "
            "was trained with holds until 'churn train' is run again"
        )
    return model


def check_same_terms(trained_for: Problem, problem: Problem, version: str) -> None:
    """Raise a ModelError if the model predicts other labels than those of ``problem``."""
    for name in differing_terms(trained_for, problem)[:1]:
        raise ModelError(
            f"{version} was trained with {name} {getattr(trained_for, name)}, the problem says "
            f"{getattr(problem, name)}: run 'churn build' and 'churn train' with the same problem"
        )


def differing_terms(trained_for: Problem, problem: Problem) -> list[str]:
    """The terms by which the labels of two problems differ."""
    return [name for name in LABEL_TERMS if getattr(trained_for, name) != getattr(problem, name)]


def settings_changed(trained_for: Problem, problem: Problem) -> list[str]:
    """The settings of a training that differ, apart from the problem's name and folder."""
    before, now = trained_for.as_dict(), problem.as_dict()
    return [name for name in now if name not in ("folder", "name", "segments") and now[name] != before[name]]


def check_same_features(model: FittedModel, catalog: Catalog, build: Path) -> None:
    """Raise a ModelError if features of the model have changed since its training.

    Raises
    ------
    ModelError
        Inputs of the model are gone, or have other types or formulas; new features do not matter.
    """
    if changed := changed_inputs(model.facts, catalog.facts()):
        raise ModelError(
            f"{model.version} was trained on other features than {build.name} has: run 'churn train' again, "
            f"or go back to {model.facts['build_id']} (changed or gone: {', '.join(changed[:5])})"
        )
