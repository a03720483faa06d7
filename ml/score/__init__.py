"""Scores of the population, or of named customers, at one instant."""

from ml.score.scoring import score

__all__ = ["score"]
