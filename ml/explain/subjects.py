"""Which subject a feature speaks of: orders, support, engagement, profile."""

import ast
from collections.abc import Sequence

import numpy as np

from ml.common.arrays import Floats
from ml.featurestore.catalog import Catalog, Feature
from ml.featurestore.formulas import INSTANT, NUMBER, operands, parsed

OTHER = "other"
TIMES, MONEY, COUNTS, FACTS = "times", "money", "counts", "facts"


def subjects_of(catalog: Catalog) -> dict[str, str]:
    """Feature to subject: that of its view; an on-demand feature has that of the first part it names."""
    stored = {feature.name: view.subject for view in catalog.views for feature in view.features}
    return {name: subject_of(name, stored, catalog.formulas) for name in catalog.feature_names}


def subject_of(name: str, stored: dict[str, str], formulas: dict[str, str]) -> str:
    """The subject of one feature."""
    while name not in stored:
        parts = [
            part for part in in_order(name, formulas.get(name, "0")) if part in stored or part in formulas
        ]
        if not parts:
            return OTHER
        name = parts[0]
    return stored[name]


def in_order(name: str, formula: str) -> list[str]:
    """The names in a formula, from left to right."""
    return [node.id for node in operands(parsed(name, formula)) if isinstance(node, ast.Name)]


def aspects_of(catalog: Catalog) -> dict[str, str]:
    """Feature to aspect: times where an instant is part of it, money where an amount is; counts; facts.

    It follows from types, units and formulas, as subjects do from views.
    """
    stored = {feature.name: aspect_of(feature) for feature in catalog.stored}
    return {name: aspect_within(name, stored, catalog.formulas) for name in catalog.feature_names}


def aspect_of(feature: Feature) -> str:
    """The aspect of a stored feature."""
    if feature.kind == INSTANT:
        return TIMES
    if feature.meta.get("unit") == MONEY:
        return MONEY
    return COUNTS if feature.kind == NUMBER and feature.sql_type != "BOOLEAN" else FACTS


def aspect_within(name: str, stored: dict[str, str], formulas: dict[str, str]) -> str:
    """The first of times, money and counts that is among a feature's parts."""
    if name in stored:
        return stored[name]
    parts = [part for part in in_order(name, formulas.get(name, "0")) if part in stored or part in formulas]
    found = {aspect_within(part, stored, formulas) for part in parts}
    return next((aspect for aspect in (TIMES, MONEY, COUNTS) if aspect in found), FACTS)


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
