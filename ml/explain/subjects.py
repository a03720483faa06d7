"""Which subject a feature speaks of: orders, support, engagement, profile."""

import ast
from collections.abc import Sequence

import numpy as np

from feature_repo.catalog import Catalog
from feature_repo.formulas import operands, parsed
from ml.model.estimators import Floats

OTHER = "other"


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
