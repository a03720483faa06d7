"""Attributes without a clock: what customers rows without ``updated_at`` say may be the end of history.

A build comes in; out goes every feature that no model may read because of them, with the reason. A column
that never changes is declared in its feature model's YAML: ``meta: {constant: "why"}``.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml.common.counting import counted
from ml.common.errors import CatalogError
from ml.featurestore.catalog import Catalog, Feature, read_nodes
from ml.featurestore.formulas import used_names
from ml.home.build_manifest import manifest_of

CONSTANT = "constant"
SOURCE = ".raw.customers"
# models that read customers rows and keep nothing of them but who they are and what holds by contract
BY_CONTRACT = ("int_customers", "int_data_clock")


def undated_features(build: Path, catalog: Catalog) -> dict[str, str]:
    """Features that no model of this build may read, each with the reason; empty where every row is dated.

    Raises
    ------
    CatalogError
        A column is declared constant without a reason.
    """
    changing = changing_attributes(build, catalog)
    reason = reason_of(build)
    if not changing or not reason:
        return {}
    return dict.fromkeys(changing, reason)


def changing_attributes(build: Path, catalog: Catalog) -> list[str]:
    """Attributes of customers that are not declared constant, and what is computed from them."""
    of_versions = models_of_versions(read_nodes(build / "manifest.json"))
    found = {
        feature.name
        for feature in catalog.stored
        if feature.view in of_versions and not declared_constant(feature)
    }
    for name, operands in computed_in_order(catalog.formulas):
        found |= {name} if found & operands else set()
    return [name for name in catalog.feature_names if name in found]


def declared_constant(feature: Feature) -> bool:
    """Whether the YAML says that the column never changes, and why.

    Raises
    ------
    CatalogError
        It does not say why.
    """
    reason = feature.meta.get(CONSTANT)
    if reason is not None and not (isinstance(reason, str) and reason.strip()):
        raise CatalogError(
            f"{feature.name} in {feature.view}.yml is declared constant without a reason: "
            f'write {CONSTANT}: "why it never changes"'
        )
    return reason is not None


def computed_in_order(formulas: Mapping[str, str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Each on-demand feature with what it reads, those that others read first."""
    waiting = {name: used_names(name, formula) for name, formula in formulas.items()}
    while waiting:
        ready = [name for name, operands in waiting.items() if not operands & waiting.keys()]
        yield from ((name, waiting.pop(name)) for name in ready)


def models_of_versions(nodes: Mapping[str, Any]) -> set[str]:
    """Models that read the versions of customers, directly or through others."""
    parents = {
        key: node.get("depends_on", {}).get("nodes", [])
        for key, node in nodes.items()
        if node["name"] not in BY_CONTRACT
    }
    found = {key for key, above in parents.items() if any(name.endswith(SOURCE) for name in above)}
    fresh = found
    while fresh:
        fresh = {key for key in parents.keys() - found if fresh & set(parents[key])}
        found |= fresh
    return {nodes[key]["name"] for key in found}


def reason_of(build: Path) -> str | None:
    """Why attributes of this build are no inputs; None where every customers row has its ``updated_at``."""
    count = manifest_of(build).get("customers")
    if count is None:
        return f"{build.name} was made before attributes were judged: run 'churn build' again"
    if not count["undated"]:
        return None
    return (
        f"{count['undated']:,d} of {counted(count['customers'], 'customer')} have a row without updated_at, "
        "which may hold the end of history"
    )


def note(names: Iterable[str]) -> str:
    """What is said of attributes that are no inputs, and what to do."""
    return (
        f"note: {', '.join(names)}: no model inputs, for customers rows without updated_at may hold the end "
        "of history; deliver updated_at with every row, or declare a column that never changes constant in "
        'feat_customer_profile.yml (meta: {constant: "why"})'
    )
