"""The SQL of a build, read from dbt's ``manifest.json``: the same text that made the published values.

The compiled SQL is the one place that lists the contributions of a feature: older builds, which must have
receipts too, have them nowhere else, and the CTEs that define their facts are needed with them.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ml.common.errors import BuildError
from ml.ingest.declaration import raw_table

# The CTE in which the macro ``deltas`` lists the contributions, one JSON object a line.
CONTRIBUTIONS = re.compile(r",\s*\w+ as \(\s*/\* contributions\n(?P<listed>.*?)\*/", re.DOTALL)
DEFINITION = re.compile(r"^(\w+) as \($", re.MULTILINE)
WORD = re.compile(r"[a-z_]\w*", re.IGNORECASE)
WINDOW = re.compile(r"(\w+) \+ interval '(\d+)' day")


@dataclass(frozen=True)
class Contribution:
    """What each fact adds to one feature, and from when until when; texts are SQL over the fact's columns.

    Where ``looked_up`` names a column, the feature is that column of the fact with the largest amount.
    """

    column: str
    facts: str
    amount: str
    starts: str
    ends: str | None
    type: str
    kind: str
    looked_up: str | None = None

    @property
    def window(self) -> tuple[str, int] | None:
        """The instant that a window starts from, and its days, if the end depends on one."""
        window = WINDOW.search(self.ends or "")
        return (window[1], int(window[2])) if window else None


@dataclass(frozen=True)
class Model:
    """One dbt model.

    Parameters
    ----------
    name, table, sql : str
        The table as its SQL names it, and the compiled SQL.
    parents : tuple of str
        The dbt ids of what it reads.
    definitions : str
        The CTEs in which facts are defined: all before the one that lists the contributions.
    contributions : tuple of Contribution, optional
        What its columns are made of; None if this is no table of totals.
    """

    name: str
    table: str
    sql: str
    parents: tuple[str, ...]
    definitions: str
    contributions: tuple[Contribution, ...] | None

    def contributions_to(self, column: str) -> list[Contribution]:
        """How ``column`` is made; what adds nothing, except that the customer exists, is left out."""
        return [part for part in self.contributions or () if part.column == column and part.amount != "0"]

    def definition(self, facts: str) -> str:
        """The text of the CTE ``facts`` and of those it is made from."""
        names, bodies = DEFINITION.findall(self.definitions), DEFINITION.split(self.definitions)[2::2]
        text = dict(zip(names, bodies, strict=True)).get(facts, "")
        return text + "".join(self.definition(word) for word in {*WORD.findall(text)} & {*names} - {facts})


@dataclass(frozen=True)
class Models:
    """Every model of a build by its dbt id, and the raw tables by theirs: name, and how SQL names them."""

    models: dict[str, Model]
    raw_tables: dict[str, tuple[str, str]]

    def named(self, name: str) -> Model:
        return next(model for model in self.models.values() if model.name == name)

    def parents(self, model: Model) -> list[Model]:
        """The models that ``model`` reads."""
        return [self.models[parent] for parent in model.parents if parent in self.models]

    def sources(self, model: Model) -> list[tuple[str, str]]:
        """The raw tables that ``model`` reads, through a macro too: name, and how its SQL names them."""
        return [(name, relation) for name, relation in self.raw_tables.values() if relation in model.sql]

    def behind(self, model: Model, facts: str) -> list[Model]:
        """The models that the CTE ``facts`` of ``model`` is made from."""
        text = model.definition(facts)
        return [parent for parent in self.parents(model) if parent.table in text]

    def needs_items(self, model: Model, part: Contribution) -> bool:
        """Whether a contribution may depend on the items of orders: an order's own columns do not."""
        names = {parent.name for parent in self.behind(model, part.facts)}
        own = {*raw_table("orders").names}
        return not (names <= {"int_order_facts"} and {*WORD.findall(part.amount)} <= own)


def read_models(build: Path) -> Models:
    """The models of ``build``.

    Raises
    ------
    BuildError
        ``manifest.json`` cannot be used.
    """
    path = build / "manifest.json"
    try:
        return read_manifest(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(f"{path} cannot be read as a file of dbt's: run 'churn build' again") from error


@lru_cache(maxsize=4)
def read_manifest(path: Path, _written: int) -> Models:
    """The models in a manifest, read once for as long as it stays the same."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    nodes = {id_: node for id_, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    sources = {id_: (node["name"], node["relation_name"]) for id_, node in manifest["sources"].items()}
    return Models({id_: model_of(node) for id_, node in nodes.items()}, sources)


def model_of(node: dict[str, Any]) -> Model:
    """One model of the manifest."""
    sql, contributions = node["compiled_code"], None
    match = CONTRIBUTIONS.search(sql)
    if match:
        parts = [json.loads(line) for line in match["listed"].splitlines() if line.strip()]
        names = Contribution.__dataclass_fields__
        contributions = tuple(Contribution(**{name: part.get(name) for name in names}) for part in parts)
    definitions = sql[: match.start()] if match else sql
    parents = tuple(node["depends_on"]["nodes"])
    return Model(node["name"], node["relation_name"], sql, parents, definitions, contributions)
