"""A value model: feature columns in, the expected amount in the horizon out, with a prediction interval."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml.common.array_types import Floats
from ml.model.fitted_model import FittedModel

COVERAGE = 0.9  # of a prediction interval
ROWS_OF_BAND, BANDS_MAX = 200, 10  # the ends of a 90 % interval are the 10 smallest and largest errors of 200


@dataclass(frozen=True)
class PredictionIntervals:
    """Errors of calibration rows as an interval around a prediction, for each band of predictions.

    Within a band the errors of new rows fall into the interval with the stated coverage, if they are drawn as
    the calibration rows were (split conformal prediction by bands; Vovk, Gammerman and Shafer, 2005).

    Parameters
    ----------
    edges : tuple of float
        Predictions from which the second, third, ... band begins.
    low, high : tuple of float
        For each band, what is added to a prediction for the ends of its interval.
    coverage : float
    """

    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    coverage: float = COVERAGE

    def __post_init__(self) -> None:
        for name in ("edges", "low", "high"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def around(self, prediction: Floats) -> tuple[Floats, Floats]:
        """The lower and the upper end for each prediction."""
        band = np.digitize(prediction, self.edges)
        return prediction + np.array(self.low)[band], prediction + np.array(self.high)[band]


def intervals_of(amount: Floats, prediction: Floats, coverage: float = COVERAGE) -> PredictionIntervals:
    """Intervals from rows that neither fitted nor chose the model.

    Parameters
    ----------
    amount, prediction : arrays of shape (rows,)
    """
    bands = int(np.clip(len(amount) // ROWS_OF_BAND, 1, BANDS_MAX))
    edges = np.unique(np.quantile(prediction, np.arange(1, bands) / bands))
    band = np.digitize(prediction, edges)
    ends = [
        error_quantiles((amount - prediction)[band == number], coverage) for number in range(len(edges) + 1)
    ]
    return PredictionIntervals(
        tuple(edges.tolist()), tuple(low for low, _ in ends), tuple(high for _, high in ends), coverage
    )


def error_quantiles(errors: Floats, coverage: float) -> tuple[float, float]:
    """The ends of the interval with the finite-sample correction; both 0 without errors."""
    if not len(errors):
        return 0.0, 0.0
    ordered, rank = np.sort(errors), (len(errors) + 1) * (1 - coverage) / 2
    below = max(int(np.floor(rank)) - 1, 0)
    return float(ordered[below]), float(ordered[len(ordered) - 1 - below])


@dataclass(frozen=True, kw_only=True)
class ValueModel(FittedModel):
    """A fitted regressor with its prediction intervals.

    Parameters
    ----------
    intervals : PredictionIntervals
    lowest : float or None
        No prediction is lower; None where amounts of the training rows may be below 0.
    """

    intervals: PredictionIntervals
    lowest: float | None

    def prediction(self, frame: pd.DataFrame) -> Floats:
        """The expected amount of each row of a frame from ``frame``."""
        return at_least(self.lowest, self.raw(frame))

    def scores(self, frame: pd.DataFrame, raw: Floats | None = None) -> Mapping[str, Any]:
        """Expected amount and the ends of its prediction interval, of each row."""
        prediction = at_least(self.lowest, self.raw(frame) if raw is None else raw)
        low, high = self.ends(prediction)
        return {"predicted_value": prediction, "value_low": low, "value_high": high}

    def ends(self, prediction: Floats) -> tuple[Floats, Floats]:
        """The ends of the prediction interval of each predicted amount."""
        low, high = self.intervals.around(prediction)
        return at_least(self.lowest, low), at_least(self.lowest, high)

    def own_facts(self) -> dict[str, Any]:
        """Prediction intervals and the lowest prediction."""
        return {"intervals": asdict(self.intervals), "lowest": self.lowest}


def lowest_amount(amount: Floats) -> float | None:
    """The lowest prediction that training amounts allow; None where some of them are below 0."""
    return 0.0 if amount.min() >= 0 else None


def at_least(lowest: float | None, values: Floats) -> Floats:
    """The values, none of them below ``lowest``."""
    return values if lowest is None else np.maximum(values, lowest)
