"""Exploration of the labelled rows before training, as a page; labels of later parts are not read.

exploration         the steps in their order
exploration_rows    labelled rows with every feature; labels outside the training part are removed first
feature_columns     each feature as numbers or texts, with its kind
feature_summary     one feature: values, nulls, outliers, distribution by label, its own ROC-AUC
auc_standard_error  the interval of that ROC-AUC
over_time           population and churn rate by cut-off
feature_pairs       correlations, and near-duplicates of features
churn_definitions   other definitions of churn for the gaps between orders
findings            what to look at first
exploration_page    the page; population_pictures, feature_pictures and feature_cards are its parts
"""

from ml.explore.exploration import explore

__all__ = ["explore"]
