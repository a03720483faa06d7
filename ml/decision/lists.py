"""The lists that thresholds close: customers from the highest probability on, whole ties at a time."""

from dataclasses import dataclass

import numpy as np

from ml.common.arrays import Floats


@dataclass(frozen=True)
class Lists:
    """One list for each distinct probability, the shortest first.

    Parameters
    ----------
    levels : array of shape (lists,)
        The lowest probability on each list, falling.
    hits : array of shape (..., lists)
        Churners on it, or their weight.
    listed : array of shape (..., lists)
        Customers on it, or their weight.
    """

    levels: Floats
    hits: Floats
    listed: Floats

    @classmethod
    def of(cls, churned: Floats, probability: Floats) -> "Lists":
        """The lists of unweighted rows."""
        falling, codes = np.unique(-probability, return_inverse=True)
        hits, listed = np.bincount(codes, weights=churned), np.bincount(codes).astype(np.float64)
        return cls(-falling, np.cumsum(hits), np.cumsum(listed))

    @property
    def share(self) -> Floats:
        """Share of all customers."""
        return self.listed / self.listed[..., -1:]

    @property
    def recall(self) -> Floats:
        """Share of all churners."""
        return self.hits / self.hits[..., -1:]

    @property
    def precision(self) -> Floats:
        """Share of churners among the listed; 0 where nobody has weight."""
        return np.divide(self.hits, self.listed, out=np.zeros_like(self.hits), where=self.listed > 0)
