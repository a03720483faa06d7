"""Explanations of scores: contributions of features, and reasons in words."""
