"""Totals by threshold: the customers and churners from each distinct probability on."""

from dataclasses import dataclass

import numpy as np

from ml.common.array_types import Floats


@dataclass(frozen=True)
class ThresholdTotals:
    """The flagged customers at each distinct probability as threshold, the highest first.

    Customers with equal probabilities are flagged together.

    Parameters
    ----------
    thresholds : array of shape (thresholds,)
        The distinct probabilities, falling.
    hits : array of shape (..., thresholds)
        Flagged churners, or their weight.
    flagged : array of shape (..., thresholds)
        Flagged customers, or their weight.
    """

    thresholds: Floats
    hits: Floats
    flagged: Floats

    @classmethod
    def of(cls, churned: Floats, probability: Floats) -> "ThresholdTotals":
        """The totals of unweighted rows."""
        falling, codes = np.unique(-probability, return_inverse=True)
        hits, flagged = np.bincount(codes, weights=churned), np.bincount(codes).astype(np.float64)
        return cls(-falling, np.cumsum(hits), np.cumsum(flagged))

    @property
    def share(self) -> Floats:
        """Share of all customers who are flagged."""
        return self.flagged / self.flagged[..., -1:]

    @property
    def recall(self) -> Floats:
        """Share of all churners who are flagged."""
        return self.hits / self.hits[..., -1:]

    @property
    def precision(self) -> Floats:
        """Share of churners among the flagged; 0 where no flagged customer has weight."""
        return np.divide(self.hits, self.flagged, out=np.zeros_like(self.hits), where=self.flagged > 0)
