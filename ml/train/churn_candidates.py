"""The candidates that predict churn, from the simplest to the least simple, with their settings."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lightgbm import LGBMClassifier
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from ml.common.errors import ModelError
from ml.config.problem import Problem
from ml.metrics.chance import PRIOR
from ml.model.estimators import RecencyRule, RowwiseLogistic
from ml.model.inputs import NUMBER, Input
from ml.model.preparation import ORDER_HISTORY, for_linear, for_trees, select_columns
from ml.model.repeat_purchase import RepeatPurchase
from ml.train.recipes import Recipes
from ml.train.tree_settings import (
    hist_gradient_boosting_settings,
    least_rows_in_leaf,
    lightgbm_settings,
    random_forest_settings,
    xgboost_settings,
)

BASELINE = "recency_rule"
HESSIAN_A_ROW = 0.2  # p (1 - p) of a churn rate between 0.3 and 0.7


def number_names(inputs: Iterable[Input]) -> list[str]:
    return [feature.name for feature in inputs if feature.kind == NUMBER]


def has_order_history(inputs: Iterable[Input]) -> bool:
    """Whether the inputs of the repeat-purchase model are there."""
    return set(ORDER_HISTORY) <= set(number_names(inputs))


def lateness(inputs: Sequence[Input], problem: Problem) -> Any:
    """The columns of the recency rule; ModelError if no feature of ``problem.baseline`` is a number input."""
    numbers = number_names(inputs)
    names = [name for name in problem.baseline if name in numbers]
    if not names:
        raise ModelError(
            f"the recency rule needs {', '.join(problem.baseline)}: name number features under 'baseline' in "
            "the problem"
        )
    return select_columns(names)


PREPARATIONS: dict[str, Callable[[Sequence[Input], Problem], Any]] = {
    # The prior reads nothing, but scikit-learn needs a column.
    "nothing": lambda inputs, problem: select_columns([*number_names(inputs), inputs[0].name][:1]),
    "lateness": lateness,
    "order_history": lambda inputs, problem: select_columns(ORDER_HISTORY),
    "linear": lambda inputs, problem: for_linear(inputs, problem.horizon_days),
    "trees": lambda inputs, problem: for_trees(inputs, problem.horizon_days),
}


def random_forest(problem: Problem, rows: int) -> RandomForestClassifier:
    return RandomForestClassifier(**random_forest_settings(problem, rows), max_features=0.2)


def hist_gradient_boosting(problem: Problem, rows: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(**hist_gradient_boosting_settings(problem, rows))


def xgboost(problem: Problem, rows: int) -> XGBClassifier:
    return XGBClassifier(**xgboost_settings(problem, rows, HESSIAN_A_ROW))


def lightgbm(problem: Problem, rows: int) -> LGBMClassifier:
    return LGBMClassifier(**lightgbm_settings(problem, rows))


# From the simplest on: of candidates that are equally good the first becomes champion.
MODELS: dict[str, tuple[str, Callable[[Problem, int], Any]]] = {
    PRIOR: ("nothing", lambda problem, rows: DummyClassifier(strategy="prior")),
    BASELINE: ("lateness", lambda problem, rows: RecencyRule()),
    "repeat_purchase": ("order_history", lambda problem, rows: RepeatPurchase(problem.horizon_days)),
    "logistic_regression": (
        "linear",
        lambda problem, rows: RowwiseLogistic(C=0.03, max_iter=2000, random_state=problem.seed),
    ),
    "decision_tree": (
        "trees",
        # One tree that fits on a page.
        lambda problem, rows: DecisionTreeClassifier(
            max_depth=5, min_samples_leaf=least_rows_in_leaf(rows), random_state=problem.seed
        ),
    ),
    "random_forest": ("trees", random_forest),
    "hist_gradient_boosting": ("trees", hist_gradient_boosting),
    "xgboost": ("trees", xgboost),
    "lightgbm": ("trees", lightgbm),
}


def impossible(inputs: Sequence[Input]) -> set[str]:
    """Candidates whose inputs are not there."""
    return set() if has_order_history(inputs) else {"repeat_purchase"}


RECIPES = Recipes(MODELS, PREPARATIONS, (PRIOR, BASELINE), impossible)
