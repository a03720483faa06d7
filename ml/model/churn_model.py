"""A churn model: feature columns in, calibrated probabilities out."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from ml.common.array_types import Floats
from ml.config.problem import Problem
from ml.model.calibration import Calibration, band_of
from ml.model.inputs import Input, make_frame


@dataclass(frozen=True)
class ChurnModel:
    """A fitted, calibrated pipeline with all that is needed to score with it and to explain it.

    Parameters
    ----------
    kind : str
        The candidate's name, such as xgboost or logistic_regression.
    pipeline : Pipeline
        Steps ``prepare`` and ``model``.
    inputs : tuple of Input
        The feature columns it reads.
    calibration : Calibration
    threshold : float
        Probability from which a customer counts as churning.
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
    pipeline: Pipeline
    inputs: tuple[Input, ...]
    calibration: Calibration
    threshold: float
    problem: Problem
    prepared_means: Floats
    facts: dict[str, Any] = field(default_factory=dict)
    background: pd.DataFrame | None = None

    @property
    def version(self) -> str:
        """The name of its folder."""
        return str(self.facts.get("model_version", ""))

    def frame(self, table: pa.Table) -> pd.DataFrame:
        return make_frame(table, self.inputs)

    def probability(self, frame: pd.DataFrame) -> Floats:
        """Calibrated churn probability of each row of a frame from ``frame``."""
        return self.calibration.apply(raw_probability(self.pipeline, frame))

    def decision(self, probability: Floats) -> NDArray[np.bool_]:
        """Whether each probability counts as churning."""
        return probability >= self.threshold

    def band(self, probability: Floats) -> NDArray[Any]:
        """low, medium or high for each probability."""
        return band_of(probability, self.problem.bands)


def raw_probability(pipeline: Pipeline, frame: pd.DataFrame) -> Floats:
    """A fitted pipeline's own probability of churn, shape (rows,)."""
    if frame.empty:  # scikit-learn refuses a frame without rows
        return np.empty(0)
    return pipeline.predict_proba(frame)[:, 1].astype(np.float64)
