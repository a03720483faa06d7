"""The function that Feast calls to compute on-demand features, offline and online: columns in, columns out.

The formulas and their evaluation are those of ``formulas``; this only turns Feast's lists, where
instants are text, into arrays and back.
"""

import ast
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from ml.common.instant_grammar import parse_text
from ml.featurestore.formulas import AS_OF, evaluate_all, used_names

SOURCE = '''def derived(inputs):
    """On-demand features of the entity rows; written by ml.featurestore.on_demand.udf_source."""
    from ml.featurestore.on_demand import derive

    formulas = {formulas}
    instants = {instants}
    return derive(formulas, instants, inputs)
'''


def udf_source(formulas: dict[str, str], instants: Sequence[str]) -> str:
    """The function Feast stores in its registry; the formulas are part of its text, so a change shows."""
    return SOURCE.format(formulas=repr(formulas), instants=repr(tuple(instants)))


def declared_formulas(view: Any) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """The formulas and instants of an on-demand view that ``udf_source`` wrote the function of, or None."""
    text = getattr(view.feature_transformation, "udf_string", "") or ""
    try:
        body = ast.parse(text).body[0].body  # type: ignore[attr-defined]
        formulas, instants = (
            ast.literal_eval(statement.value) for statement in body if isinstance(statement, ast.Assign)
        )
    except (SyntaxError, ValueError, AttributeError, IndexError):
        return None
    return (formulas, instants) if text == udf_source(formulas, instants) else None


def derive(
    formulas: dict[str, str], instants: Sequence[str], inputs: dict[str, Sequence[Any]]
) -> dict[str, list[Any]]:
    """Evaluate ``formulas`` on columns as Feast hands them over.

    Parameters
    ----------
    formulas : dict
        Feature name -> formula.
    instants : sequence of str
        The inputs that are instants; ``event_timestamp``, the as-of instant, always is.
    inputs : dict
        Column name -> values, all of one length.

    Returns
    -------
    dict
        Feature name -> floats, None where there is no value.
    """
    stored = stored_names(tuple(formulas.items()))
    columns = {name: instant_array(inputs[name]) for name in instants if name in inputs and name in stored}
    columns |= {name: np.array(inputs[name], dtype="float64") for name in stored - columns.keys()}
    columns[AS_OF] = instant_array(inputs["event_timestamp"])
    results = {name: values.tolist() for name, values in evaluate_all(formulas, columns).items()}
    return {name: [None if value != value else value for value in values] for name, values in results.items()}


@lru_cache
def stored_names(formulas: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """The stored features that formulas use."""
    used = frozenset(name for feature, formula in formulas for name in used_names(feature, formula))
    return used - {AS_OF, *dict(formulas)}


def instant_array(values: Sequence[Any]) -> np.ndarray:
    """Instants to the microsecond, None as NaT; numpy itself parses the stored form."""
    if all(map(is_stored_form, set(values))):
        return np.array(["NaT" if value is None else value for value in values], dtype="datetime64[us]")
    return np.array([utc_instant(value) for value in values], dtype="datetime64[us]")


def is_stored_form(value: Any) -> bool:
    """Whether a value is None, or text such as 2024-03-01 or 2024-03-01T10:11:12.123456, without a zone."""
    if not isinstance(value, str):
        return value is None
    if len(value) == 10:
        return value[4:8:3] == "--"
    return len(value) == 26 and value[10:20:9] == "T." and value[20:].isdecimal()


def utc_instant(value: Any) -> datetime | None:
    """One instant without a zone, in UTC; None stays None."""
    if isinstance(value, str):
        return datetime.fromisoformat(value) if is_stored_form(value) else parse_text(value)
    instant = value
    if instant is None or instant != instant:
        return None
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
