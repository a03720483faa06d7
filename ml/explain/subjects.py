"""Subject (orders, support, engagement, profile) and aspect (times, money, counts) of each feature."""

import ast
from collections.abc import Sequence

import numpy as np

from ml.common.array_types import Floats
from ml.featurestore.catalog import Catalog, Feature
from ml.featurestore.formulas import INSTANT, NUMBER, operands, syntax_tree

OTHER = "other"
TIMES, MONEY, COUNTS, FACTS = "times", "money", "counts", "facts"


def subjects_of(catalog: Catalog) -> dict[str, str]:
    """Feature to subject: that of its view; an on-demand feature has that of its formula's first feature."""
    stored = {feature.name: view.subject for view in catalog.views for feature in view.features}
    return {name: subject_of(name, stored, catalog.formulas) for name in catalog.feature_names}


def subject_of(name: str, stored: dict[str, str], formulas: dict[str, str]) -> str:
    while name not in stored:
        features = features_in(name, stored, formulas)
        if not features:
            return OTHER
        name = features[0]
    return stored[name]


def features_in(name: str, stored: dict[str, str], formulas: dict[str, str]) -> list[str]:
    """The features in a formula, from left to right."""
    names = [
        node.id for node in operands(syntax_tree(name, formulas.get(name, "0"))) if isinstance(node, ast.Name)
    ]
    return [name for name in names if name in stored or name in formulas]


def aspects_of(catalog: Catalog) -> dict[str, str]:
    """Feature to aspect, by types, units and formulas.

    Times if it is computed from an instant, money if from an amount, counts for other numbers, else facts.
    """
    stored = {feature.name: aspect_of(feature) for feature in catalog.stored}
    return {name: aspect_within(name, stored, catalog.formulas) for name in catalog.feature_names}


def aspect_of(feature: Feature) -> str:
    if feature.kind == INSTANT:
        return TIMES
    if feature.meta.get("unit") == MONEY:
        return MONEY
    return COUNTS if feature.kind == NUMBER and feature.sql_type != "BOOLEAN" else FACTS


def aspect_within(name: str, stored: dict[str, str], formulas: dict[str, str]) -> str:
    """The first of times, money and counts that a feature of its formula has."""
    if name in stored:
        return stored[name]
    aspects = {aspect_within(feature, stored, formulas) for feature in features_in(name, stored, formulas)}
    return next((aspect for aspect in (TIMES, MONEY, COUNTS) if aspect in aspects), FACTS)


def by_subject(values: Floats, subjects: Sequence[str]) -> dict[str, Floats]:
    """The sum over each subject's inputs, shape (rows,) each.

    Parameters
    ----------
    values : array of shape (rows, inputs)
    subjects : sequence of str
        The subject of each input.
    """
    return {
        subject: values[:, np.array(subjects) == subject].sum(axis=1) for subject in dict.fromkeys(subjects)
    }
