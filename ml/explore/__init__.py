"""Exploration: what one should have seen before one trains, as a page; labels of later parts stay unseen.

rows        labelled rows with every feature; labels beyond the training part are taken out first
columns     each feature as numbers or texts, with what it is
shape       one feature: values, missing, outliers, distribution by label, what it alone tells
over_time   population and churn rate by cut-off
together    correlations, and features that nearly repeat each other
findings    what to look at first
page        the page; time_pictures, feature_pictures and cards are its parts
run         the steps in their order
"""

from ml.explore.exploration import explore

__all__ = ["explore"]
