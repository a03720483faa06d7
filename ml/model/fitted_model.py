"""What every model has, whatever it predicts: inputs, a fitted pipeline, its problem, facts on its origin."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml.common.array_types import Floats
from ml.config.problem import Problem
from ml.model.inputs import Input, make_frame


@dataclass(frozen=True, kw_only=True)
class FittedModel(ABC):
    """A fitted pipeline with all that is needed to score with it and to explain it.

    Parameters
    ----------
    kind : str
        The candidate's name, such as xgboost or logistic_regression.
    pipeline : Pipeline
        Steps ``prepare`` and ``model``.
    inputs : tuple of Input
        The feature columns it reads.
    problem : Problem
        The problem it was trained for.
    prepared_means : array of shape (prepared columns,)
        Mean of each prepared column over the training rows; where a linear contribution is 0.
    background : DataFrame, optional
        For an estimator of the user's own: a few training rows that its reasons are measured against.
    facts : dict
        Everything else in ``model.json``: build, service hash, metrics, versions.
    """

    kind: str
    pipeline: Any
    inputs: tuple[Input, ...]
    problem: Problem
    prepared_means: Floats
    facts: dict[str, Any] = field(default_factory=dict)
    background: pd.DataFrame | None = None

    @property
    def version(self) -> str:
        """The name of its folder."""
        return str(self.facts.get("model_version", ""))

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """The inputs of each row of a table of features."""
        return make_frame(table, self.inputs)

    @abstractmethod
    def prediction(self, frame: pd.DataFrame) -> Floats:
        """What the model's metrics are measured by, for each row of a frame from ``frame``."""

    def raw(self, frame: pd.DataFrame) -> Floats:
        """The pipeline's own probability or amount of each row of a frame from ``frame``."""
        return raw_prediction(self.pipeline, frame)

    @abstractmethod
    def scores(self, frame: pd.DataFrame, raw: Floats | None = None) -> Mapping[str, Any]:
        """The columns of a score, by name, for each row of a frame from ``frame``.

        ``raw`` is what ``raw`` gave for the frame, where the caller has it: forests take long to predict.
        """

    @abstractmethod
    def own_facts(self) -> dict[str, Any]:
        """What ``model.json`` has on a model of this task alone."""


def raw_prediction(model: Any, rows: Any) -> Floats:
    """A fitted classifier's probability of churn, or a regressor's amount, of each row; shape (rows,)."""
    if not len(rows):  # scikit-learn refuses a frame without rows
        return np.empty(0)
    values = model.predict_proba(rows)[:, 1] if hasattr(model, "predict_proba") else model.predict(rows)
    return np.asarray(values, dtype=np.float64)
