"""Metrics of probabilities with their intervals, and the ROC-AUC of a single feature."""
