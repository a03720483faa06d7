"""The settings of the tree candidates, those that churn and amounts share.

They suit a few ten thousand rows of a few thousand customers. A customer's rows are nearly alike, so trees
are small and leaves large. ``ml.train.tuning`` searches for better settings.
"""

from typing import Any

from ml.config.problem import Problem

LEAF_SHARE, FEWEST_IN_LEAF, MOST_IN_LEAF = 100, 20, 2_000  # a leaf has one in a hundred rows at least
TREES = 150  # of a booster that has too few rows to learn when to stop
SAMPLE_TO_BOOST, INPUTS_TO_BOOST = 0.6, 0.4  # shares of the rows and of the columns that a tree sees


def least_rows_in_leaf(rows: int) -> int:
    return min(max(rows // LEAF_SHARE, FEWEST_IN_LEAF), MOST_IN_LEAF)


def random_forest_settings(problem: Problem, rows: int) -> dict[str, Any]:
    """All but ``max_features``."""
    return {
        "n_estimators": 80,
        "min_samples_leaf": max(FEWEST_IN_LEAF, least_rows_in_leaf(rows) // 4),
        "max_samples": 0.3,
        "random_state": problem.seed,
    }


def hist_gradient_boosting_settings(problem: Problem, rows: int) -> dict[str, Any]:
    return {
        "max_iter": TREES,
        "learning_rate": 0.05,
        "max_leaf_nodes": 8,
        "min_samples_leaf": least_rows_in_leaf(rows),
        "max_features": INPUTS_TO_BOOST,
        "l2_regularization": 20.0,
        "early_stopping": False,
        "random_state": problem.seed,
    }


def xgboost_settings(problem: Problem, rows: int, hessian_a_row: float) -> dict[str, Any]:
    """XGBoost bounds leaves by the sum of the hessian, so its bound follows from that of one row."""
    return {
        "n_estimators": TREES,
        "learning_rate": 0.05,
        "max_depth": 3,
        "min_child_weight": hessian_a_row * least_rows_in_leaf(rows),
        "subsample": SAMPLE_TO_BOOST,
        "colsample_bytree": INPUTS_TO_BOOST,
        "reg_lambda": 20.0,
        "tree_method": "hist",
        "random_state": problem.seed,
    }


def lightgbm_settings(problem: Problem, rows: int) -> dict[str, Any]:
    return {
        "n_estimators": TREES,
        "learning_rate": 0.05,
        "num_leaves": 8,
        "min_child_samples": least_rows_in_leaf(rows),
        "subsample": SAMPLE_TO_BOOST,
        "subsample_freq": 1,
        "colsample_bytree": INPUTS_TO_BOOST,
        "reg_lambda": 20.0,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
        "random_state": problem.seed,
    }
