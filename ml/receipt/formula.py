"""What the parts of an on-demand feature come to, by the one evaluator of formulas."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from ml.featurestore.catalog import Catalog
from ml.featurestore.formulas import AS_OF, INSTANT, evaluate_all, used_names
from ml.receipt.receipt_lines import Entry, Findings


def operands_of(catalog: Catalog, name: str) -> list[str]:
    """The features that the formula of ``name`` uses, in its order; none if it is stored."""
    formula = catalog.formulas.get(name)
    used = used_names(name, formula) - {AS_OF} if formula else frozenset()
    return sorted(used, key=(formula or "").index)


def find_formula(catalog: Catalog, name: str, parts: Sequence[Entry], as_of: datetime) -> Findings:
    """Compute ``name`` anew from what the raw rows of its parts come to.

    It holds since the last change of a part, until the next one.
    """
    instants = {feature.name for feature in catalog.stored if feature.kind == INSTANT}
    columns = {AS_OF: np.array([as_of], dtype="datetime64[us]")}
    for part in parts:
        value = part.findings.value
        if part.feature.name in instants:
            columns[part.feature.name] = np.array([value], dtype="datetime64[us]")
        else:
            columns[part.feature.name] = np.array([np.nan if value is None else value], dtype="float64")
    formula = catalog.formulas[name]
    result = evaluate_all({name: formula}, columns)[name][0]
    since = [part.findings.since for part in parts if part.findings.since]
    until = [part.findings.until for part in parts if part.findings.until]
    return Findings(
        "formula",
        None if np.isnan(result) else float(result),
        since=max(since, key=lambda change: change.instant, default=None),
        until=min(until, key=lambda change: change.instant, default=None),
        moves=AS_OF in used_names(name, formula) or any(part.findings.moves for part in parts),
    )
