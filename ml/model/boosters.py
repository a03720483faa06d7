"""Boosters of other libraries, stored in their own text formats, which lose no bit of a score."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightgbm import Booster as LightGBMBooster
from lightgbm import LGBMClassifier
from sklearn.preprocessing import LabelEncoder
from xgboost import XGBClassifier


@dataclass(frozen=True)
class Booster:
    """The file of one kind of booster.

    Parameters
    ----------
    file : str
        Its name beside the model's other files.
    write, read : callables
        A fitted classifier to a file, and back.
    """

    file: str
    write: Callable[[Any, Path], None]
    read: Callable[[Path], Any]


def write_xgboost(model: XGBClassifier, path: Path) -> None:
    model.save_model(path)


def read_xgboost(path: Path) -> XGBClassifier:
    model = XGBClassifier(n_jobs=1)
    model.load_model(path)
    return model


def write_lightgbm(model: LGBMClassifier, path: Path) -> None:
    model.booster_.save_model(path)


def read_lightgbm(path: Path) -> LGBMClassifier:
    """LightGBM's classifier cannot read its own file, so the attributes that it scores by are set here."""
    booster = LightGBMBooster(model_file=path)
    classes = np.array([0, 1])
    model = LGBMClassifier(n_jobs=1, verbose=-1)
    model._Booster = booster
    model._le = LabelEncoder().fit(classes)
    model._classes, model._n_classes = classes, len(classes)
    model._n_features = model._n_features_in = booster.num_feature()
    model.fitted_ = True
    return model


BOOSTERS = {
    "xgboost": Booster("booster.json", write_xgboost, read_xgboost),
    "lightgbm": Booster("booster.txt", write_lightgbm, read_lightgbm),
}
