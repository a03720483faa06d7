"""From feature columns to what an estimator reads: which go in, as what, and which stay out and why.

An instant never goes in: its age at the as-of instant is a feature of its own, and a raw date would teach the
model the calendar.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.errors import ModelError

NUMBER, FLAG, TEXT = "number", "flag", "text"
UNKNOWN_TEXT = "(not known)"


@dataclass(frozen=True)
class Input:
    """One feature that goes into a model.

    Parameters
    ----------
    name : str
    kind : str
        number, flag or text.
    type : str
        The column's Arrow type.
    typical : float or str or None
        Median (number, flag) or most frequent value (text) of the training rows.
    values : int
        How many different values a text has in the training rows; 0 for others.
    """

    name: str
    kind: str
    type: str
    typical: Any = None
    values: int = 0


def kind_of(type_: pa.DataType) -> str | None:
    """How a column goes in; None for instants and whatever else stays out."""
    if pa.types.is_boolean(type_):
        return FLAG
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return TEXT
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return NUMBER
    return None


def choose_inputs(
    table: pa.Table, names: Iterable[str], needed: Iterable[str] = ()
) -> tuple[list[Input], dict[str, str]]:
    """The inputs among the features ``names``, and why each other one is left out.

    Parameters
    ----------
    needed : iterable of str
        Features that stay when another one is the same, be it one of them: those that rules and derived
        columns read.

    Raises
    ------
    ModelError
        A feature holds an infinite value, or none is left.
    """
    asked, first = list(names), set(needed)
    inputs: dict[str, Input] = {}
    left_out: dict[str, str] = {}
    seen: dict[bytes, str] = {}
    for name in sorted(asked, key=lambda each: each not in first):
        kind = kind_of(table.schema.field(name).type)
        if kind is None:
            left_out[name] = "an instant or date, whose age is a feature of its own"
            continue
        values = column_values(table.column(name), name, kind)
        if reason := nothing_to_learn(values):
            left_out[name] = reason
        elif (twin := seen.setdefault(fingerprint(values), name)) != name and name not in first:
            left_out[name] = f"the same as {twin} in training"
        else:
            different = len(pd.unique(values)) if kind == TEXT else 0
            inputs[name] = Input(name, kind, str(table.schema.field(name).type), typical(values), different)
    if not inputs:
        raise ModelError("no feature varies among the training rows: load more data and build again")
    return [inputs[name] for name in asked if name in inputs], {
        name: left_out[name] for name in asked if name in left_out
    }


def fingerprint(values: NDArray[Any]) -> bytes:
    """The same for columns with the same values; all nulls count as one."""
    codes = pd.util.hash_array(values, categorize=True) if values.dtype == object else values + 0.0
    return hashlib.sha256(np.ascontiguousarray(codes).tobytes()).digest()


def nothing_to_learn(values: NDArray[Any]) -> str | None:
    """Why a column teaches nothing, if so."""
    distinct = pd.Series(values).unique()
    if len(distinct) > 1:
        return None
    unknown = distinct[0] == UNKNOWN_TEXT or pd.isna(distinct[0])
    return "always null in training" if unknown else "always the same in training"


def typical(values: NDArray[Any]) -> Any:
    """The median of numbers, the most frequent of texts (the first in the alphabet among equals)."""
    if values.dtype == object:
        counts = pd.Series(values).value_counts()
        return min(counts.index[counts == counts.iloc[0]])
    return float(np.nanmedian(values))


def make_frame(table: pa.Table, inputs: Iterable[Input]) -> pd.DataFrame:
    """The inputs as float64 and text columns, nulls as NaN and ``(not known)``; one row a row of ``table``.

    Raises
    ------
    ModelError
        A feature is not there, or holds an infinite value.
    """
    missing = [each.name for each in inputs if each.name not in table.column_names]
    if missing:
        raise ModelError(f"the build has no feature {', '.join(missing)}: run 'churn train' on this build")
    return pd.DataFrame(
        {each.name: column_values(table.column(each.name), each.name, each.kind) for each in inputs},
        copy=False,
    )


def column_values(column: pa.ChunkedArray, name: str, kind: str) -> NDArray[Any]:
    """One column as numpy."""
    if kind == TEXT:
        return np.asarray(column.fill_null(UNKNOWN_TEXT).to_pylist(), dtype=object)
    if kind == FLAG:
        column = column.cast(pa.int8())
    values = doubles(column).to_numpy()
    if np.isinf(values).any():
        raise ModelError(
            f"feature {name} holds an infinite value: make its definition null there and build again"
        )
    return values


def doubles(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as float64; decimals by DuckDB, whose cast rounds to the nearest where Arrow's does not."""
    if not pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    import duckdb

    numbers = pa.table({"number": column})
    with duckdb.connect() as connection:
        connection.register("numbers", numbers)
        return connection.execute("select number::double as number from numbers").to_arrow_table()["number"]
