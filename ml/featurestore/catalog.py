"""The catalog of one build: every feature with its name, type and meaning, read from dbt's files.

dbt's ``manifest.json`` has descriptions, ``meta`` and formulas, its ``catalog.json`` columns and types.
Feast's objects, retrieval, the model's inputs and the data dictionary are made from it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ml.common.errors import CatalogError
from ml.featurestore.formulas import INSTANT, NUMBER, RESERVED, check_formulas, used_names
from ml.featurestore.windowed_families import members, window_of, windows_shared, with_window

KEYS = ("customer_id", "event_timestamp")
# The order of views in a catalog; a hash of the service depends on it.
SUBJECTS = ("orders", "support", "engagement", "profile")
TEXT = "text"
KINDS = {
    **dict.fromkeys(
        ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DECIMAL", "DOUBLE", "FLOAT", "BOOLEAN"), NUMBER
    ),
    **dict.fromkeys(("TIMESTAMP", "DATE"), INSTANT),
    "VARCHAR": TEXT,
}


@dataclass(frozen=True)
class Feature:
    """One stored feature: a column of a feature model.

    Parameters
    ----------
    name, sql_type, description : str
    view : str
        The feature model it is a column of.
    window : int, optional
        Days, for a member of a windowed family such as ``orders_{w}d``.
    meta : dict
        Whatever else the YAML says (``minimum``, ``unit``, ``reason``, ...).
    """

    name: str
    sql_type: str
    description: str
    view: str
    window: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """number, instant or text: what a formula can do with it."""
        return KINDS[self.sql_type.split("(")[0]]

    @property
    def is_planned(self) -> bool:
        """Whether it is an instant that is known before it comes, such as a renewal."""
        return bool(self.meta.get("planned"))


@dataclass(frozen=True)
class View:
    """One feature model: its folder of Parquet files and its features, in the order of its columns."""

    name: str
    path: Path
    subject: str
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class OnDemand:
    """One feature computed from others on demand; always a DOUBLE."""

    name: str
    formula: str
    description: str
    window: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sql_type(self) -> str:
        return "DOUBLE"


@dataclass(frozen=True)
class Catalog:
    """Every feature of one build, in a fixed order: stored ones by view and column, then on-demand ones."""

    views: tuple[View, ...]
    on_demand: tuple[OnDemand, ...]

    @property
    def stored(self) -> tuple[Feature, ...]:
        return tuple(feature for view in self.views for feature in view.features)

    @property
    def features(self) -> tuple[Feature | OnDemand, ...]:
        return (*self.stored, *self.on_demand)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def formulas(self) -> dict[str, str]:
        """On-demand feature -> formula."""
        return {feature.name: feature.formula for feature in self.on_demand}

    def definitions(self) -> dict[str, str]:
        """Feature -> its type, or its formula and the definitions of its operands."""
        types = {feature.name: feature.sql_type for feature in self.stored}
        formulas = {feature.name: " ".join(feature.formula.split()) for feature in self.on_demand}

        def define(name: str) -> str:
            if name in types or name not in formulas:
                return types.get(name, "")
            operands = sorted(used_names(name, formulas[name]))
            return f"{formulas[name]} where " + ", ".join(
                f"{operand} is ({define(operand)})" for operand in operands
            )

        return types | {name: define(name) for name in formulas}

    def facts(self) -> dict[str, Any]:
        """The facts about features that a model records at its training."""
        return {"service_hash": self.hash(), "definitions": self.definitions()}

    def hash(self) -> str:
        """SHA-256 over names, types and formulas in order: two equal ones serve the same features."""
        content = [[feature.name, feature.sql_type] for feature in self.stored]
        content += [
            [feature.name, feature.sql_type, " ".join(feature.formula.split())] for feature in self.on_demand
        ]
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def read_catalog(build: Path) -> Catalog:
    """Read the catalog of a build.

    Parameters
    ----------
    build : Path
        The build's folder, with ``manifest.json``, ``catalog.json`` and ``features/``.

    Raises
    ------
    CatalogError
        There is no such build, or its YAML and its tables do not agree.
    FormulaError
        An on-demand formula cannot be used.
    """
    build = Path(build).resolve()
    manifest = build / "manifest.json"
    if not manifest.is_file():
        raise CatalogError(f"{build} is no build, for it has no manifest.json: run 'churn build' first")
    return catalog_of(build, manifest.stat().st_mtime_ns)


# A process compares a build with few others: audit and rollback read two or three.
@lru_cache(maxsize=8)
def catalog_of(build: Path, _written: int) -> Catalog:
    """The catalog of a build, read once for as long as its manifest stays the same."""
    manifest_nodes, catalog_nodes = read_nodes(build / "manifest.json"), read_nodes(build / "catalog.json")
    nodes = sorted(
        (node for node in manifest_nodes.values() if meta_of(node).get("feature_view")), key=view_order
    )
    if not nodes:
        raise CatalogError(f"{build} has no model with meta.feature_view: true, so there are no features")
    views = tuple(read_view(build, node, catalog_nodes.get(node["unique_id"])) for node in nodes)
    names = frozenset(feature.name for view in views for feature in view.features)
    entries = [entry for node in nodes for entry in meta_of(node).get("on_demand") or []]
    catalog = Catalog(
        views, tuple(feature for entry in entries for feature in on_demand_features(entry, names, entries))
    )
    check_names(catalog)
    check_formulas(catalog.formulas, names_of(catalog, NUMBER), names_of(catalog, INSTANT))
    return catalog


def read_nodes(path: Path) -> dict[str, Any]:
    """The nodes of one of dbt's files."""
    try:
        nodes: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    except (OSError, ValueError, KeyError) as error:
        raise CatalogError(f"{path} cannot be read as a file of dbt's: run 'churn build' again") from error
    return nodes


def meta_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The ``meta`` of a model or column, where dbt 1.11 keeps it."""
    return (entry.get("config") or {}).get("meta") or entry.get("meta") or {}


def view_order(node: Mapping[str, Any]) -> tuple[int, str, str]:
    """The sort key of a feature model: known subjects in their order, then others, then names."""
    subject = meta_of(node).get("subject") or ""
    rank = SUBJECTS.index(subject) if subject in SUBJECTS else len(SUBJECTS)
    return rank, subject, node["name"]


def read_view(build: Path, node: Mapping[str, Any], table: Mapping[str, Any] | None) -> View:
    name = node["name"]
    if table is None:
        raise CatalogError(f"catalog.json does not know the table of {name}: run 'churn build' again")
    types = {
        column: entry["type"].upper()
        for column, entry in sorted(table["columns"].items(), key=lambda c: c[1]["index"])
    }
    for key in KEYS:
        if key not in types:
            raise CatalogError(f"the table of {name} has no column {key}: select it in {name}.sql")
    described = described_columns(node, types)
    features = [
        read_feature(name, column, types[column], described[column])
        for column in types
        if column not in KEYS and meta_of(described[column]).get("feature", True)
    ]
    return View(name, build / "features" / name, meta_of(node).get("subject") or name, tuple(features))


def described_columns(node: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """For every column of the table its entry in the YAML, windowed families filled in."""
    model, entries = node["name"], dict[str, Mapping[str, Any]]()
    for entry in sorted(node["columns"].values(), key=lambda entry: "{w}" in entry["name"]):
        columns = [column for column in members(entry["name"], types) if column not in entries]
        if not columns:
            raise CatalogError(
                f"{model}.yml describes {entry['name']}, but its table has no such column: "
                f"add it to {model}.sql or remove the description"
            )
        entries |= dict.fromkeys(columns, entry)
    if undescribed := [column for column in types if column not in entries and column not in KEYS]:
        raise CatalogError(
            f"the table of {model} has {', '.join(undescribed)}, which {model}.yml does not describe: "
            "a feature needs a description there"
        )
    return entries


def read_feature(model: str, column: str, sql_type: str, entry: Mapping[str, Any]) -> Feature:
    meta, window = meta_of(entry), window_of(entry["name"], column)
    if meta.get("personal"):
        raise CatalogError(
            f"{column} in {model} is marked as personal data, which can never become a feature: "
            "remove it from the model"
        )
    if sql_type.split("(")[0] not in KINDS:
        raise CatalogError(
            f"{column} in {model} is of type {sql_type}, which a feature cannot have: "
            f"cast it to one of {', '.join(KINDS)}"
        )
    return Feature(
        column, sql_type, description_of(f"{column} in {model}.yml", entry, window), model, window, meta
    )


def description_of(what: str, entry: Mapping[str, Any], window: int | None) -> str:
    text = " ".join((entry.get("description") or "").split())
    if not text:
        raise CatalogError(f"{what} has no description: say in a sentence what it means")
    return with_window(text, window)


def on_demand_features(
    entry: Mapping[str, Any], stored: frozenset[str], entries: list[Mapping[str, Any]]
) -> list[OnDemand]:
    """The on-demand features of one entry: one for each window that all families in its formula have."""
    if missing := [key for key in ("name", "formula") if not isinstance(entry.get(key), str)]:
        raise CatalogError(f"the on-demand feature {entry} has no {missing[0]}: give one in its YAML")
    meta = {key: value for key, value in entry.items() if key not in ("name", "formula", "description")}
    return [
        OnDemand(
            with_window(entry["name"], window),
            with_window(entry["formula"], window),
            description_of(f"on-demand feature {entry['name']}", entry, window),
            window,
            meta,
        )
        for window in windows_shared(entry, stored, entries)
    ]


def check_names(catalog: Catalog) -> None:
    """Refuse a name that is no identifier, is used twice, or belongs to the formula language."""
    seen: set[str] = set()
    for name in catalog.feature_names:
        if name.lower() in seen:
            raise CatalogError(f"two features are called {name}: rename one of them")
        if name in RESERVED or not name.isidentifier():
            raise CatalogError(f"a feature cannot be called {name}: choose another name")
        seen.add(name.lower())


def names_of(catalog: Catalog, kind: str) -> frozenset[str]:
    return frozenset(feature.name for feature in catalog.stored if feature.kind == kind)
