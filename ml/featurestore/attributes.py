"""Attributes without a clock: customers rows without ``updated_at`` may hold the last state of all.

A build comes in; every feature that no model may read because of such rows goes out, with the reason. A
column that never changes is declared in its feature model's YAML: ``meta: {constant: "why"}``.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml.common.errors import CatalogError
from ml.common.number_words import counted
from ml.featurestore.catalog import Catalog, Feature, read_nodes
from ml.featurestore.formulas import used_names
from ml.home.build_manifest import manifest_of

CONSTANT = "constant"
CUSTOMERS_SOURCE = ".raw.customers"
# Models that take only keys, and columns fixed by contract, from customers rows.
KEY_MODELS = ("int_customers", "int_data_clock")


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
    versioned_models = models_of_customer_versions(read_nodes(build / "manifest.json"))
    changing = {
        feature.name
        for feature in catalog.stored
        if feature.view in versioned_models and not declared_constant(feature)
    }
    for name, operands in in_order_of_use(catalog.formulas):
        changing |= {name} if changing & operands else set()
    return [name for name in catalog.feature_names if name in changing]


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


def in_order_of_use(formulas: Mapping[str, str]) -> Iterator[tuple[str, frozenset[str]]]:
    """On-demand features with their operands, in an order in which operands come first."""
    pending = {name: used_names(name, formula) for name, formula in formulas.items()}
    while pending:
        ready = [name for name, operands in pending.items() if not operands & pending.keys()]
        yield from ((name, pending.pop(name)) for name in ready)


def models_of_customer_versions(nodes: Mapping[str, Any]) -> set[str]:
    """Models that read the versions of customers, directly or through others."""
    parents = {
        key: node.get("depends_on", {}).get("nodes", [])
        for key, node in nodes.items()
        if node["name"] not in KEY_MODELS
    }
    readers = {
        key
        for key, parent_keys in parents.items()
        if any(name.endswith(CUSTOMERS_SOURCE) for name in parent_keys)
    }
    newest = readers
    while newest:
        newest = {key for key in parents.keys() - readers if newest & set(parents[key])}
        readers |= newest
    return {nodes[key]["name"] for key in readers}


def reason_of(build: Path) -> str | None:
    """Why attributes of this build are no inputs; None if every customers row has its ``updated_at``."""
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
    """The message about attributes that are no inputs, with the remedy."""
    return (
        f"note: {', '.join(names)}: no model inputs, for customers rows without updated_at may hold the end "
        "of history; deliver updated_at with every row, or declare a column that never changes constant in "
        'feat_customer_profile.yml (meta: {constant: "why"})'
    )
