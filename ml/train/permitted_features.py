"""Which features a model may read: the problem's ``exclude``, and the roles in the features' YAML.

Training leaves the other features out, so none of them is a reason of a score; the dataset and the evidence
by group keep them.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from ml.common.errors import ProblemError
from ml.config.problem import Problem
from ml.explain.subjects import subjects_of
from ml.featurestore.catalog import Catalog
from ml.featurestore.formulas import used_names

SENSITIVE = "sensitive"


def excluded_features(catalog: Catalog, problem: Problem) -> dict[str, str]:
    """Every feature that a model may not read, with the reason.

    Parameters
    ----------
    catalog : Catalog
    problem : Problem
        Its ``exclude`` names features, subjects or roles to leave out; its ``use_sensitive`` names sensitive
        features to use nevertheless.

    Raises
    ------
    ProblemError
        The build has nothing of that name.
    """
    subjects, roles = subjects_of(catalog), roles_of(catalog)
    features = catalog.feature_names
    check_known("exclude", problem.exclude, [*features, *set(subjects.values()), *set(roles.values())])
    sensitive = {name for name in features if roles.get(name) == SENSITIVE}
    check_known("use_sensitive", problem.use_sensitive, sensitive)
    reasons = {}
    for name in features:
        if matches := {name, subjects[name], roles.get(name)} & set(problem.exclude):
            reasons[name] = f"excluded by the problem ({', '.join(sorted(filter(None, matches)))})"
        elif name in sensitive - set(problem.use_sensitive):
            reasons[name] = "sensitive: off unless the problem names it under use_sensitive"
    return reasons


def roles_of(catalog: Catalog) -> dict[str, str]:
    """The role of each feature that has one; a formula that uses a sensitive feature is sensitive too."""
    roles = {
        feature.name: str(feature.meta["role"]) for feature in catalog.features if feature.meta.get("role")
    }
    operands = {formula.name: used_names(formula.name, formula.formula) for formula in catalog.on_demand}
    # A formula may use another one, so the role spreads until no formula takes it over any more.
    while inherited := {
        name
        for name, used in operands.items()
        if roles.get(name) != SENSITIVE and any(roles.get(operand) == SENSITIVE for operand in used)
    }:
        roles |= dict.fromkeys(inherited, SENSITIVE)
    return roles


def check_known(key: str, names: Iterable[str], known: Iterable[str]) -> None:
    """ProblemError for the first of ``names`` that is not ``known``."""
    choices = sorted(known)
    for name in names:
        if name not in choices:
            near = get_close_matches(name, choices, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(choices[:12]) or 'none'}"
            raise ProblemError(f"the problem's {key} names {name}, which is nothing in this build; {hint}")
