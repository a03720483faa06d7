"""What changes over the years of the demo shop: season, trend, and how fast customers leave."""

from dataclasses import dataclass

import numpy as np

from ml.demos.columns import DAY, Array

YEAR = 365.25 * DAY


@dataclass(frozen=True)
class Climate:
    """How the rates of the shop move in time.

    Parameters
    ----------
    season : float
        Amplitude of a yearly wave of all rates, 0 to 1; 0.4 is 40 % more in spring, 40 % less in autumn.
    trend : float
        Change of the logarithm of all rates a year.
    leaving : float
        Factor of the hazard of leaving from the second year on.
    """

    season: float = 0.0
    trend: float = 0.0
    leaving: float = 1.0

    def pace(self, since_start: Array) -> Array:
        """The factor of all rates, so many microseconds after the start of the data."""
        wave = 1 + self.season * np.sin(2 * np.pi * since_start / YEAR)
        return wave * np.exp(self.trend * since_start / YEAR)

    def most(self, span: float) -> float:
        """No less than any factor within ``span`` microseconds after the start."""
        return (1 + self.season) * float(np.exp(max(0.0, self.trend) * span / YEAR))

    def lifetime(self, patience: Array, until_change: Array) -> Array:
        """Microseconds a customer stays, who would stay for ``patience`` if nothing changed."""
        free = np.maximum(until_change, 0)
        return np.minimum(patience, free) + np.maximum(patience - free, 0) / self.leaving


STEADY = Climate()
