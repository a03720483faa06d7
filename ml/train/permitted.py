"""Which features a model may read: the problem's ``exclude``, and the roles in the features' YAML.

A catalog and a problem come in; what stays out comes out, each with its reason. Training leaves it
out, so that it is no reason of a score either; the dataset and the evidence by group keep it.
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
        Its ``exclude`` names features, subjects or roles; its ``use_sensitive`` names sensitive features that
        are inputs all the same.

    Raises
    ------
    ProblemError
        A name is none of the build's.
    """
    subjects, roles = subjects_of(catalog), roles_of(catalog)
    features = catalog.feature_names
    check_known("exclude", problem.exclude, [*features, *set(subjects.values()), *set(roles.values())])
    sensitive = {name for name in features if roles.get(name) == SENSITIVE}
    check_known("use_sensitive", problem.use_sensitive, sensitive)
    found = {
        name: "sensitive: off unless the problem names it under use_sensitive"
        for name in features
        if name in sensitive - set(problem.use_sensitive)
    }
    for name in features:
        if stated := {name, subjects[name], roles.get(name)} & set(problem.exclude):
            found[name] = f"excluded by the problem ({', '.join(sorted(filter(None, stated)))})"
    return {name: found[name] for name in features if name in found}


def roles_of(catalog: Catalog) -> dict[str, str]:
    """The role of each feature that has one; what is computed from a sensitive feature is sensitive."""
    roles = {
        feature.name: str(feature.meta["role"]) for feature in catalog.features if feature.meta.get("role")
    }
    parts = {one.name: used_names(one.name, one.formula) for one in catalog.on_demand}
    while inherited := {
        name
        for name, used in parts.items()
        if roles.get(name) != SENSITIVE and any(roles.get(part) == SENSITIVE for part in used)
    }:
        roles |= dict.fromkeys(inherited, SENSITIVE)
    return roles


def check_known(key: str, names: Iterable[str], known: Iterable[str]) -> None:
    """ProblemError for the first name that nothing in the build bears."""
    words = sorted(known)
    for name in names:
        if name not in words:
            near = get_close_matches(name, words, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(words[:12]) or 'none'}"
            raise ProblemError(f"the problem's {key} names {name}, which is nothing in this build; {hint}")
