"""Estimators of one's own inside a churn model: what they read, and of which types their files may be made.

A candidate ``package.module:factory`` and a registered pipeline read the columns of ``ml.training_set``.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Self

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from ml.common.errors import ModelError
from ml.model.inputs import TEXT, UNKNOWN_TEXT, Input

REGISTERED = "registered"
# What scikit-learn's boosting keeps to read categories: a function of its own with its settings.
PLAIN = ("functools.partial", "sklearn.utils.validation.check_array")
LIBRARIES = ("sklearn", "scipy", "numpy", "xgboost", "lightgbm")


class TrainingFrame(TransformerMixin, BaseEstimator):
    """The inputs as ``ml.training_set`` gives them: texts as categories, null where they are not known.

    Parameters
    ----------
    names : sequence of str
        Columns to give, in this order.
    texts : sequence of str
        Those of them that are texts.
    """

    def __init__(self, names: Sequence[str] = (), texts: Sequence[str] = ()) -> None:
        self.names = names
        self.texts = texts

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: N803
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:  # noqa: N803
        texts = {name: X[name].where(X[name] != UNKNOWN_TEXT).astype("category") for name in self.texts}
        return X[list(self.names)].assign(**texts)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def is_own(kind: str) -> bool:
    """Whether a model or candidate of this kind is an estimator of one's own."""
    return kind == REGISTERED or ":" in kind


def training_frame(inputs: Iterable[Input]) -> TrainingFrame:
    """The step that gives all ``inputs``."""
    inputs = list(inputs)
    return TrainingFrame([each.name for each in inputs], [each.name for each in inputs if each.kind == TEXT])


def find_modules_in(folder: str) -> None:
    """Let modules of one's own be imported from ``folder``, after everything that is installed."""
    if folder and folder not in sys.path:
        sys.path.append(folder)


def own_types(types: Iterable[str]) -> list[str]:
    """``types``, if each is a class that a model file may be made of.

    Classes of scikit-learn and of the libraries it stands on, and estimators of one's own, which derive from
    ``BaseEstimator``. Functions are none: whoever can write a model file could name any.

    Raises
    ------
    ModelError
        One is something else, or is not there.
    """
    return [name for name in types if name in PLAIN or check_type(name)]


def check_type(name: str) -> bool:
    """True, or an error that says why the type is not allowed."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{name}, of which the model is made, cannot be imported: install its package, or run where its "
            "module lies"
        ) from error
    of_library = module.split(".")[0] in LIBRARIES
    if isinstance(found, type) and (of_library or issubclass(found, BaseEstimator)):
        return True
    raise ModelError(
        f"{name} cannot be part of a model: only classes of {', '.join(LIBRARIES)} and classes of your own "
        "that derive from sklearn.base.BaseEstimator can, no functions (make a transformer class of it)"
    )
