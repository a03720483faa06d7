"""A churn model: its inputs, estimators, calibration and files."""
