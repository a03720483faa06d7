"""The candidates that predict an amount, from the simplest to the least simple, with their settings."""

from collections.abc import Callable, Sequence
from typing import Any

from lightgbm import LGBMRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from xgboost import XGBRegressor

from ml.config.problem import Problem
from ml.metrics.chance import MEAN
from ml.metrics.value_metrics import POWER
from ml.model.inputs import Input
from ml.model.preparation import for_linear, for_trees, select_columns
from ml.model.value_estimators import SPEND_HISTORY, ExpectedSpend, RowwiseRidge, RowwiseTweedie
from ml.train.churn_candidates import number_names
from ml.train.recipes import Recipes
from ml.train.tree_settings import (
    hist_gradient_boosting_settings,
    lightgbm_settings,
    random_forest_settings,
    xgboost_settings,
)

GAMMA_GAMMA = "gamma_gamma"
HESSIAN_A_ROW = 1.0  # of the squared error


def random_forest(problem: Problem, rows: int) -> RandomForestRegressor:
    return RandomForestRegressor(**random_forest_settings(problem, rows), max_features=0.3)


def hist_gradient_boosting(problem: Problem, rows: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(**hist_gradient_boosting_settings(problem, rows))


def xgboost(problem: Problem, rows: int) -> XGBRegressor:
    return XGBRegressor(**xgboost_settings(problem, rows, HESSIAN_A_ROW))


def lightgbm(problem: Problem, rows: int) -> LGBMRegressor:
    return LGBMRegressor(
        **lightgbm_settings(problem, rows), objective="tweedie", tweedie_variance_power=POWER
    )


PREPARATIONS: dict[str, Callable[[Sequence[Input], Problem], Any]] = {
    # The mean reads nothing, but scikit-learn needs a column.
    "nothing": lambda inputs, problem: select_columns([*number_names(inputs), inputs[0].name][:1]),
    "spend_history": lambda inputs, problem: select_columns(SPEND_HISTORY),
    "linear": lambda inputs, problem: for_linear(inputs, problem.horizon_days, amounts=True),
    "trees": lambda inputs, problem: for_trees(inputs, problem.horizon_days, amounts=True),
}
MODELS: dict[str, tuple[str, Callable[[Problem, int], Any]]] = {
    MEAN: ("nothing", lambda problem, rows: DummyRegressor(strategy="mean")),
    GAMMA_GAMMA: ("spend_history", lambda problem, rows: ExpectedSpend(problem.horizon_days)),
    "linear": ("linear", lambda problem, rows: RowwiseRidge(alpha=100.0, solver="cholesky")),
    "tweedie": (
        "linear",
        lambda problem, rows: RowwiseTweedie(
            power=POWER, link="log", alpha=0.1, solver="newton-cholesky", max_iter=500
        ),
    ),
    "random_forest": ("trees", random_forest),
    "hist_gradient_boosting": ("trees", hist_gradient_boosting),
    "xgboost": ("trees", xgboost),
    "lightgbm": ("trees", lightgbm),
}


def impossible(inputs: Sequence[Input]) -> set[str]:
    """Candidates whose inputs are not there."""
    return set() if set(SPEND_HISTORY) <= set(number_names(inputs)) else {GAMMA_GAMMA}


RECIPES = Recipes(MODELS, PREPARATIONS, (MEAN,), impossible)
