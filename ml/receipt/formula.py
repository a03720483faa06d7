"""What the parts of an on-demand feature come to, by the one evaluator of formulas."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ml.featurestore.catalog import Catalog
from ml.featurestore.formulas import ASKED_AT, INSTANT, evaluate_all, used_names
from ml.receipt.lines import Change, Entry, Findings


def operands_of(catalog: Catalog, name: str) -> list[str]:
    """The features that the formula of ``name`` uses, in its order; none if it is stored."""
    formula = catalog.formulas.get(name)
    used = used_names(name, formula) - {ASKED_AT} if formula else frozenset()
    return sorted(used, key=(formula or "").index)


def find_formula(catalog: Catalog, name: str, parts: Sequence[Entry], asked: datetime) -> Findings:
    """Compute ``name`` anew from what the raw rows of its parts come to."""
    values = {part.feature.name: part.findings.value for part in parts}
    columns = {part: operand(catalog, part, value) for part, value in values.items()}
    columns[ASKED_AT] = np.array([asked], dtype="datetime64[us]")
    found = evaluate_all({name: catalog.formulas[name]}, columns)[name][0]
    since, until = span(parts)
    moves = ASKED_AT in used_names(name, catalog.formulas[name]) or any(part.findings.moves for part in parts)
    value = None if np.isnan(found) else float(found)
    return Findings("formula", value, since=since, until=until, moves=moves)


def operand(catalog: Catalog, name: str, value: Any) -> np.ndarray:
    """A part's value as formulas read it."""
    if any(feature.name == name and feature.kind == INSTANT for feature in catalog.stored):
        return np.array([value], dtype="datetime64[us]")
    return np.array([np.nan if value is None else value], dtype="float64")


def span(parts: Sequence[Entry]) -> tuple[Change | None, Change | None]:
    """Since when and until when no part changes."""
    since = [part.findings.since for part in parts if part.findings.since]
    until = [part.findings.until for part in parts if part.findings.until]
    return (
        max(since, key=lambda change: change.instant, default=None),
        min(until, key=lambda change: change.instant, default=None),
    )
