"""The user's own estimators in a churn model: the columns they read, and the types their files may contain.

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
# Functions in the files of scikit-learn's boosting, which reads categories by them.
ALLOWED_FUNCTIONS = ("functools.partial", "sklearn.utils.validation.check_array")
LIBRARIES = ("sklearn", "scipy", "numpy", "xgboost", "lightgbm")


class TrainingFrame(TransformerMixin, BaseEstimator):
    """The inputs as in ``ml.training_set``: texts as categories, null where they are not known.

    Parameters
    ----------
    names : sequence of str
        The columns of the frame, in this order.
    texts : sequence of str
        The text columns among them.
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
    """Whether a model or candidate of this kind is the user's own estimator."""
    return kind == REGISTERED or ":" in kind


def training_frame(inputs: Sequence[Input]) -> TrainingFrame:
    texts = [feature.name for feature in inputs if feature.kind == TEXT]
    return TrainingFrame([feature.name for feature in inputs], texts)


def find_modules_in(folder: str) -> None:
    """Let the user's modules be imported from ``folder``, after everything that is installed."""
    if folder and folder not in sys.path:
        sys.path.append(folder)


def own_types(types: Iterable[str]) -> list[str]:
    """``types``, if each is a class that a model file may contain.

    Allowed are classes of scikit-learn and of the libraries it is built on, and the user's own estimators,
    which derive from ``BaseEstimator``. Functions are not, as a manipulated model file could name any
    function.

    Raises
    ------
    ModelError
        A type is not allowed, or cannot be imported.
    """
    types = list(types)
    for name in types:
        if name not in ALLOWED_FUNCTIONS:
            check_type(name)
    return types


def check_type(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    try:
        type_ = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{name}, of which the model is made, cannot be imported: install its package, or run where its "
            "module lies"
        ) from error
    of_library = module.split(".")[0] in LIBRARIES
    if not (isinstance(type_, type) and (of_library or issubclass(type_, BaseEstimator))):
        raise ModelError(
            f"{name} cannot be part of a model: only classes of {', '.join(LIBRARIES)} and classes of your "
            "own that derive from sklearn.base.BaseEstimator can, no functions (make a transformer class of "
            "it)"
        )
