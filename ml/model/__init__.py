"""A churn model: its inputs, its estimators, its calibration, and the files it is kept in."""
