"""Which settings of which candidate are searched, and between what limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ml.config.problem import REGRESSION

GRID_STEPS = 3  # values of each setting


@dataclass(frozen=True)
class Between:
    """A number from ``low`` to ``high``; in equal ratios where ``log``."""

    low: float
    high: float
    whole: bool = False
    log: bool = True

    def steps(self) -> list[float]:
        """``GRID_STEPS`` values from ``low`` to ``high``."""
        shares = [step / (GRID_STEPS - 1) for step in range(GRID_STEPS)]
        if self.log:
            values = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            values = [self.low + (self.high - self.low) * share for share in shares]
        values = [min(max(value, self.low), self.high) for value in values]  # against rounding errors
        return sorted({round(value) for value in values}) if self.whole else values


@dataclass(frozen=True)
class OneOf:
    """One of ``values``."""

    values: tuple[Any, ...]

    def steps(self) -> list[Any]:
        return list(self.values)


Space: TypeAlias = Mapping[str, Between | OneOf]

WEIGHTS: Space = {"balanced": OneOf((False, True))}  # whether both classes weigh the same in fitting

SPACES: Mapping[str, Space] = {
    "logistic_regression": {"C": Between(1e-4, 10.0), **WEIGHTS},
    "decision_tree": {
        "max_depth": Between(2, 8, whole=True, log=False),
        "min_samples_leaf": Between(20, 2_000, whole=True),
        **WEIGHTS,
    },
    "random_forest": {
        "min_samples_leaf": Between(10, 500, whole=True),
        "max_features": Between(0.1, 0.6, log=False),
        **WEIGHTS,
    },
    "hist_gradient_boosting": {
        "learning_rate": Between(0.02, 0.15),
        "max_leaf_nodes": Between(3, 32, whole=True),
        "min_samples_leaf": Between(20, 2_000, whole=True),
        "l2_regularization": Between(0.1, 300.0),
        "max_features": Between(0.15, 0.8, log=False),
        **WEIGHTS,
    },
    "xgboost": {
        "learning_rate": Between(0.02, 0.15),
        "max_depth": Between(2, 6, whole=True, log=False),
        "min_child_weight": Between(2.0, 400.0),
        "reg_lambda": Between(0.1, 300.0),
        "subsample": Between(0.4, 1.0, log=False),
        "colsample_bytree": Between(0.15, 0.8, log=False),
        **WEIGHTS,
    },
    "lightgbm": {
        "learning_rate": Between(0.02, 0.15),
        "num_leaves": Between(3, 32, whole=True),
        "min_child_samples": Between(20, 2_000, whole=True),
        "reg_lambda": Between(0.1, 300.0),
        "subsample": Between(0.4, 1.0, log=False),
        "colsample_bytree": Between(0.15, 0.8, log=False),
        **WEIGHTS,
    },
    # amounts only
    "linear": {"alpha": Between(1.0, 10_000.0)},
    "tweedie": {"alpha": Between(1e-3, 10.0)},
}


def spaces(task: str) -> Mapping[str, Space]:
    """The spaces of a task's candidates; amounts have no classes to weigh."""
    if task != REGRESSION:
        return SPACES
    return {
        name: {key: limits for key, limits in space.items() if key != "balanced"}
        for name, space in SPACES.items()
    }
