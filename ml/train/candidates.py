"""The models that compete, from the simplest to the least simple; each is one scikit-learn pipeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from ml.errors import ModelError
from ml.model.estimators import RecencyRule, RowwiseLogistic
from ml.model.inputs import NUMBER, Input
from ml.model.preparation import for_linear, for_trees, only
from ml.problem import Problem

BASELINE = "recency_rule"
THREADS = 2
WORTH_THREADS = 20_000


@dataclass(frozen=True)
class Candidate:
    """A named, unfitted pipeline."""

    name: str
    pipeline: Pipeline


def candidates(inputs: Sequence[Input], problem: Problem, rows: int) -> list[Candidate]:
    """All candidates for so many training rows, unfitted, from the fewest learned numbers to the most."""
    makers: list[tuple[str, Callable[[Sequence[Input], Problem], Pipeline]]] = [
        ("prior", prior),
        (BASELINE, recency_rule),
        ("logistic_regression", logistic_regression),
        ("xgboost", xgboost),
        ("random_forest", random_forest),
    ]
    found = [Candidate(name, maker(inputs, problem)) for name, maker in makers]
    for candidate in found:
        use_threads(candidate.pipeline, THREADS if rows >= WORTH_THREADS else 1)
    return found


def prior(inputs: Sequence[Input], problem: Problem) -> Pipeline:
    """Everyone gets the training churn rate."""
    return Pipeline([("prepare", for_trees(inputs)), ("model", DummyClassifier(strategy="prior"))])


def recency_rule(inputs: Sequence[Input], problem: Problem) -> Pipeline:
    """How late a customer is: by their own rhythm or in days, whichever tells more.

    Raises
    ------
    ModelError
        No feature that ``problem.baseline`` names is a number that varies.
    """
    numbers = {each.name for each in inputs if each.kind == NUMBER}
    names = [name for name in problem.baseline if name in numbers]
    if not names:
        wanted = ", ".join(problem.baseline)
        raise ModelError(
            f"the recency rule needs {wanted}: name number features under 'baseline' in the problem"
        )
    return Pipeline([("prepare", only(names)), ("model", RecencyRule())])


def logistic_regression(inputs: Sequence[Input], problem: Problem) -> Pipeline:
    """A linear model of the log-odds on imputed, straightened, scaled inputs."""
    model = RowwiseLogistic(C=0.1, max_iter=2000, random_state=problem.seed)
    return Pipeline([("prepare", for_linear(inputs)), ("model", model)])


def random_forest(inputs: Sequence[Input], problem: Problem) -> Pipeline:
    """Many deep trees on resampled rows, averaged."""
    model = RandomForestClassifier(
        n_estimators=120,
        min_samples_leaf=20,
        max_features=0.2,
        max_samples=0.5,
        random_state=problem.seed,
    )
    return Pipeline([("prepare", for_trees(inputs)), ("model", model)])


def xgboost(inputs: Sequence[Input], problem: Problem) -> Pipeline:
    """Many shallow trees, each on what the others leave unexplained."""
    model = XGBClassifier(
        n_estimators=300,
        learning_rate=0.04,
        max_depth=4,
        min_child_weight=20,
        subsample=0.8,
        colsample_bytree=0.5,
        reg_lambda=5.0,
        tree_method="hist",
        random_state=problem.seed,
    )
    return Pipeline([("prepare", for_trees(inputs)), ("model", model)])


def use_threads(pipeline: Pipeline, threads: int) -> None:
    """Let tree models use so many threads.

    To score it is always one: then trees are added up in one order, and a score is the same on every run.
    """
    if isinstance(pipeline.named_steps["model"], RandomForestClassifier | XGBClassifier):
        pipeline.set_params(model__n_jobs=threads)
