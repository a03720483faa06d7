"""The model that goes with a build, checked against the problem and the build it is asked about."""

from pathlib import Path

from ml.common.errors import ModelError
from ml.common.progress import Progress
from ml.config.problem import Problem
from ml.featurestore.catalog import Catalog
from ml.home.layout import model_of
from ml.model.churn_model import ChurnModel
from ml.model.same_features import changed_inputs
from ml.model.store import read_model

QUESTION = ("horizon_days", "active_within_days", "label_delay_days")


def champion_of(build: Path, problem: Problem, progress: Progress) -> ChurnModel:
    """The champion that goes with ``build``, if it answers ``problem``.

    A threshold, band or other setting that changed since training is said; it holds from the next one on.

    Raises
    ------
    NotReadyError
        There is no model yet.
    ModelError
        Its files were changed, or it was trained for another horizon, activity span or delay.
    """
    model = read_model(model_of(build))
    check_answers(model.problem, problem, model.version)
    changed = settings_changed(model.problem, problem)
    if changed:
        progress.say(
            f"note: {', '.join(changed)} changed in the problem since {model.version} was trained; what it "
            "was trained with holds until 'churn train' is run again"
        )
    return model


def check_answers(trained_for: Problem, asked: Problem, version: str) -> None:
    """A probability for one horizon is no answer for another."""
    for name in other_question(trained_for, asked)[:1]:
        raise ModelError(
            f"{version} was trained with {name} {getattr(trained_for, name)}, the problem says "
            f"{getattr(asked, name)}: run 'churn build' and 'churn train' with the same problem"
        )


def other_question(trained_for: Problem, asked: Problem) -> list[str]:
    """Names of the terms that make the two problems ask different things."""
    return [name for name in QUESTION if getattr(trained_for, name) != getattr(asked, name)]


def settings_changed(trained_for: Problem, asked: Problem) -> list[str]:
    """Names of the settings that differ, wherever the files lie."""
    before, now = trained_for.as_dict(), asked.as_dict()
    return [name for name in now if name != "folder" and now[name] != before[name]]


def check_same_features(model: ChurnModel, catalog: Catalog, build: Path) -> None:
    """A model reads only features that mean what they meant when it learned.

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
