"""A churn model: feature columns in, calibrated probabilities out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.common.array_types import Floats
from ml.model.calibration import Calibration, band_of
from ml.model.fitted_model import FittedModel


@dataclass(frozen=True, kw_only=True)
class ChurnModel(FittedModel):
    """A fitted, calibrated classifier with its threshold.

    Parameters
    ----------
    calibration : Calibration
    threshold : float
        Probability from which a customer counts as churning.
    """

    calibration: Calibration
    threshold: float

    def prediction(self, frame: pd.DataFrame) -> Floats:
        """Calibrated churn probability of each row of a frame from ``frame``."""
        return self.probability(frame)

    def probability(self, frame: pd.DataFrame) -> Floats:
        """Calibrated churn probability of each row of a frame from ``frame``."""
        return self.calibration.apply(self.raw(frame))

    def decision(self, probability: Floats) -> NDArray[np.bool_]:
        """Whether each probability counts as churning."""
        return probability >= self.threshold

    def band(self, probability: Floats) -> NDArray[Any]:
        """low, medium or high for each probability."""
        return band_of(probability, self.problem.bands)

    def scores(self, frame: pd.DataFrame, raw: Floats | None = None) -> Mapping[str, Any]:
        """Probability, decision and risk band of each row."""
        probability = self.calibration.apply(self.raw(frame) if raw is None else raw)
        return {
            "churn_probability": probability,
            "churn_decision": self.decision(probability),
            "risk_band": self.band(probability),
        }

    def own_facts(self) -> dict[str, Any]:
        """Calibration and threshold."""
        return {"calibration": asdict(self.calibration), "threshold": self.threshold}
