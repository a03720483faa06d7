"""The SQL of a build, read from dbt's ``manifest.json``: the same text that made the published values."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ml.common.errors import BuildError
from ml.ingest.contract import ORDERS

CONTRIBUTIONS = re.compile(r",\s*\w+ as \(\s*/\* contributions\n(?P<listed>.*?)\*/", re.DOTALL)
DEFINITION = re.compile(r"^(\w+) as \($", re.MULTILINE)
WORD = re.compile(r"[a-z_]\w*", re.IGNORECASE)
WINDOW = re.compile(r"(\w+) \+ interval '(\d+)' day")


@dataclass(frozen=True)
class Contribution:
    """What each fact adds to one feature, and from when until when; texts are SQL over the fact's columns."""

    column: str
    facts: str
    amount: str
    starts: str
    ends: str | None
    type: str
    kind: str

    @property
    def is_total(self) -> bool:
        """Whether amounts are added up; else the earliest ("min") or latest ("max") is taken."""
        return self.kind == "total"

    @property
    def window(self) -> tuple[str, int] | None:
        """The instant that a window starts from, and its days, if the end depends on one."""
        found = WINDOW.search(self.ends or "")
        return (found[1], int(found[2])) if found else None


@dataclass(frozen=True)
class Model:
    """One dbt model: its table, its compiled SQL, and what it reads."""

    name: str
    table: str
    sql: str
    parents: tuple[str, ...]

    def contributions(self, column: str) -> list[Contribution]:
        """How ``column`` is made, as the macro ``deltas`` listed it; empty if this is no table of totals.

        What adds nothing, but for making the customer exist, is left out.
        """
        found = CONTRIBUTIONS.search(self.sql)
        listed = [json.loads(line) for line in found["listed"].splitlines() if line.strip()] if found else []
        return [
            Contribution(*(part[name] for name in Contribution.__dataclass_fields__))
            for part in listed
            if part["column"] == column and part["amount"] != "0"
        ]

    @property
    def lists_contributions(self) -> bool:
        """Whether this is a table of totals, which says what each column is made of."""
        return CONTRIBUTIONS.search(self.sql) is not None

    @property
    def definitions(self) -> str:
        """The CTEs in which the facts are defined: all before the one that lists the contributions."""
        found = CONTRIBUTIONS.search(self.sql)
        return self.sql[: found.start()] if found else self.sql

    def definition(self, facts: str) -> str:
        """The text of the CTE ``facts`` and of those it is made from."""
        names, bodies = DEFINITION.findall(self.definitions), DEFINITION.split(self.definitions)[2::2]
        text = dict(zip(names, bodies, strict=True)).get(facts, "")
        return text + "".join(self.definition(word) for word in {*WORD.findall(text)} & {*names} - {facts})


@dataclass(frozen=True)
class Models:
    """Every model of a build by its dbt id, and the raw tables by theirs, each with its place in the SQL."""

    models: dict[str, Model]
    raw_tables: dict[str, tuple[str, str]]

    def named(self, name: str) -> Model:
        """The model called ``name``."""
        return next(model for model in self.models.values() if model.name == name)

    def reads(self, model: Model, facts: str) -> list[Model]:
        """The models that the CTE ``facts`` of ``model`` is made from."""
        text = model.definition(facts)
        return [
            self.models[one] for one in model.parents if one in self.models and self.models[one].table in text
        ]

    def read_by(self, model: Model) -> list[str]:
        """The names of the models that ``model`` reads."""
        return [self.models[parent].name for parent in model.parents if parent in self.models]

    def needs_items(self, model: Model, part: Contribution) -> bool:
        """Whether a contribution may depend on the items of orders: an order's own columns do not."""
        read = {one.name for one in self.reads(model, part.facts)}
        return not (read <= {"int_order_facts"} and {*WORD.findall(part.amount)} <= {*ORDERS.names})


def read_models(build: Path) -> Models:
    """The models of ``build``.

    Raises
    ------
    BuildError
        ``manifest.json`` cannot be used.
    """
    path = build / "manifest.json"
    try:
        return parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(f"{path} cannot be read as a file of dbt's: run 'churn build' again") from error


@lru_cache(maxsize=4)
def parsed(path: Path, _written: int) -> Models:
    """The models in a manifest, read once for as long as it stays the same."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    models = {
        name: Model(
            node["name"], node["relation_name"], node["compiled_code"], tuple(node["depends_on"]["nodes"])
        )
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }
    sources = manifest["sources"].items()
    return Models(models, {name: (node["name"], node["relation_name"]) for name, node in sources})
