"""Scores: who is eligible, or the customers named, at one instant."""

from ml.score.scoring import score

__all__ = ["score"]
