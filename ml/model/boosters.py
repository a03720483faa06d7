"""Boosters of other libraries, stored in their own text formats, which lose no bit of a score."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightgbm import Booster as LightGBMBooster
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.preprocessing import LabelEncoder
from xgboost import XGBClassifier, XGBRegressor


@dataclass(frozen=True)
class Booster:
    """The file of one kind of booster.

    Parameters
    ----------
    file : str
        Its name beside the model's other files.
    write, read : callables
        A fitted classifier or regressor to a file; back from a file, for a regression or not.
    """

    file: str
    write: Callable[[Any, Path], None]
    read: Callable[[Path, bool], Any]


def write_xgboost(model: Any, path: Path) -> None:
    model.save_model(path)


def read_xgboost(path: Path, is_regression: bool) -> Any:
    model = XGBRegressor(n_jobs=1) if is_regression else XGBClassifier(n_jobs=1)
    model.load_model(path)
    return model


def write_lightgbm(model: Any, path: Path) -> None:
    model.booster_.save_model(path)


def read_lightgbm(path: Path, is_regression: bool) -> Any:
    """LightGBM's estimators cannot read their own file, so the attributes that they score by are set here."""
    booster = LightGBMBooster(model_file=path)
    model = LGBMRegressor(n_jobs=1, verbose=-1) if is_regression else LGBMClassifier(n_jobs=1, verbose=-1)
    model._Booster = booster
    if not is_regression:
        classes = np.array([0, 1])
        model._le = LabelEncoder().fit(classes)
        model._classes, model._n_classes = classes, len(classes)
    model._n_features = model._n_features_in = booster.num_feature()
    model.fitted_ = True
    return model


BOOSTERS = {
    "xgboost": Booster("booster.json", write_xgboost, read_xgboost),
    "lightgbm": Booster("booster.txt", write_lightgbm, read_lightgbm),
}
