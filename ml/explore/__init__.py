"""Exploration of the labelled rows before training, as a page; labels of later parts are not read.

exploration        the steps in their order
rows               labelled rows with every feature; labels outside the training part are removed first
columns            each feature as numbers or texts, with its kind
shape              one feature: values, nulls, outliers, distribution by label, its own ROC-AUC
precision          the interval of that ROC-AUC
over_time          population and churn rate by cut-off
together           correlations, and near-duplicates of features
definitions        other definitions of churn for the gaps between orders
findings           what to look at first
exploration_page   the page; population_pictures, feature_pictures and cards are its parts
"""

from ml.explore.exploration import explore

__all__ = ["explore"]
