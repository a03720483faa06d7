"""The models that compete, from the simplest to the least simple; each is one scikit-learn pipeline.

``churn_candidates`` and ``value_candidates`` have what they are made of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ml.config.problem import REGRESSION, Problem
from ml.model.activity import find_streams
from ml.model.inputs import Input
from ml.model.own import is_own
from ml.model.pace import find_totals
from ml.model.preparation import ORDER_HISTORY
from ml.train import churn_candidates, value_candidates
from ml.train.own_candidates import own_pipeline
from ml.train.recipes import Recipes

THREADS = 2  # of a tree model in training; scoring uses one
WORTH_THREADS = 20_000  # rows; with fewer, starting threads takes longer than they save


@dataclass(frozen=True)
class Candidate:
    """A named, unfitted pipeline.

    Parameters
    ----------
    name : str
    pipeline : Pipeline
        Steps ``prepare`` and ``model``.
    preparation : str
        Candidates with the same preparation share their prepared columns.
    balanced : bool
        Both classes weigh the same in fitting; calibration corrects the level afterwards.
    """

    name: str
    pipeline: Pipeline
    preparation: str = ""
    balanced: bool = False

    @property
    def model(self) -> Any:
        return self.pipeline.named_steps["model"]

    def with_settings(self, settings: Mapping[str, Any]) -> "Candidate":
        """The same candidate, unfitted, with other settings of its model; ``balanced`` is one of them."""
        pipeline = clone(self.pipeline)
        of_model = {name: value for name, value in settings.items() if name != "balanced"}
        pipeline.named_steps["model"].set_params(**of_model)
        return replace(self, pipeline=pipeline, balanced=bool(settings.get("balanced", self.balanced)))


def candidates(inputs: Sequence[Input], problem: Problem, rows: int) -> list[Candidate]:
    """The problem's candidates for ``rows`` training rows, unfitted, the simplest first.

    The baselines are always among them: the prior and the recency rule, or the mean. Models of the order
    history are only where its features are inputs. The user's own candidates come last.
    """
    recipes = recipes_of(problem)
    shipped = {*recipes.baselines, *problem.candidates} - recipes.impossible(inputs)
    own = [name for name in problem.candidates if is_own(name)]
    names = [*(name for name in recipes.models if name in shipped), *own]
    return [make_candidate(name, inputs, problem, rows) for name in names]


def recipes_of(problem: Problem) -> Recipes:
    """What the candidates of the problem's task are made of."""
    return value_candidates.RECIPES if problem.task == REGRESSION else churn_candidates.RECIPES


def make_candidate(name: str, inputs: Sequence[Input], problem: Problem, rows: int) -> Candidate:
    if is_own(name):  # shares its preparation with no other candidate
        preparation, pipeline = name, own_pipeline(name, inputs, problem)
    else:
        recipes = recipes_of(problem)
        preparation, model = recipes.models[name]
        prepare = recipes.preparations[preparation](inputs, problem)
        pipeline = Pipeline([("prepare", prepare), ("model", model(problem, rows))])
    use_threads(pipeline, threads_for(rows))
    return Candidate(name, pipeline, preparation)


def threads_for(rows: int) -> int:
    return THREADS if rows >= WORTH_THREADS else 1


def required_features(names: Iterable[str], problem: Problem) -> set[str]:
    """Features that the recency rule and derived columns read; they stay even if another has equal values."""
    names = list(names)
    streams, totals = find_streams(names), find_totals(names)
    history = value_candidates.SPEND_HISTORY if problem.task == REGRESSION else ORDER_HISTORY
    required = {*problem.baseline, *history, *(streams.columns if streams else ())}
    return required | ({"tenure_days"} if totals else set())


def use_threads(pipeline: Pipeline, threads: int) -> None:
    """Let a tree model use ``threads``.

    Scoring uses one: trees are then added up in one order, so a score is the same on every run.
    """
    if "n_jobs" in pipeline.named_steps["model"].get_params() and not isinstance(
        pipeline.named_steps["model"], LogisticRegression
    ):
        pipeline.set_params(model__n_jobs=threads)
