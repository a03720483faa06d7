"""From feature columns to a model's inputs: which features are inputs, of which kind, and why others are not.

An instant is never an input: its age at the as-of instant is a feature of its own, and from a raw date a
model would learn the calendar.
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
    """One feature that a model reads.

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
        Number of different values of a text in the training rows; 0 for other kinds.
    """

    name: str
    kind: str
    type: str
    typical: Any = None
    values: int = 0


def kind_of(type_: pa.DataType) -> str | None:
    """The kind of input a column is; None for instants and other types."""
    if pa.types.is_boolean(type_):
        return FLAG
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return TEXT
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return NUMBER
    return None


def choose_inputs(
    table: pa.Table, names: Iterable[str], required: Iterable[str] = ()
) -> tuple[list[Input], dict[str, str]]:
    """The inputs among the features ``names``, and why each other one is left out.

    Parameters
    ----------
    required : iterable of str
        Features that stay even if another one has the same values: those of the recency rule and of derived
        columns.

    Raises
    ------
    ModelError
        A feature has an infinite value, or none is left.
    """
    names, required = list(names), set(required)
    inputs: dict[str, Input] = {}
    left_out: dict[str, str] = {}
    first_with: dict[bytes, str] = {}
    # Required features first, so that of two with the same values the other one is left out.
    for name in sorted(names, key=lambda name: name not in required):
        type_ = table.schema.field(name).type
        kind = kind_of(type_)
        if kind is None:
            left_out[name] = "an instant or date, whose age is a feature of its own"
            continue
        values = column_values(table.column(name), name, kind)
        if reason := nothing_to_learn(values):
            left_out[name] = reason
        elif (twin := first_with.setdefault(fingerprint(values), name)) != name and name not in required:
            left_out[name] = f"the same as {twin} in training"
        else:
            inputs[name] = input_of(name, kind, type_, values)
    if not inputs:
        raise ModelError("no feature varies among the training rows: load more data and build again")
    return [inputs[name] for name in names if name in inputs], {
        name: left_out[name] for name in names if name in left_out
    }


def input_of(name: str, kind: str, type_: pa.DataType, values: NDArray[Any]) -> Input:
    """The input with its typical value among the training rows' ``values``."""
    return Input(name, kind, str(type_), typical(values), len(pd.unique(values)) if kind == TEXT else 0)


def fingerprint(values: NDArray[Any]) -> bytes:
    """A hash that is equal for columns with equal values, where null equals null."""
    codes = pd.util.hash_array(values, categorize=True) if values.dtype == object else values + 0.0
    return hashlib.sha256(np.ascontiguousarray(codes).tobytes()).digest()


def nothing_to_learn(values: NDArray[Any]) -> str | None:
    """Why a model cannot learn from a column; None if it can."""
    distinct = pd.Series(values).unique()
    if len(distinct) > 1:
        return None
    unknown = distinct[0] == UNKNOWN_TEXT or pd.isna(distinct[0])
    return "always null in training" if unknown else "always the same in training"


def typical(values: NDArray[Any]) -> Any:
    """The median of numbers, the most frequent text (of several the first in the alphabet)."""
    if values.dtype == object:
        counts = pd.Series(values).value_counts()
        return min(counts.index[counts == counts.iloc[0]])
    return float(np.nanmedian(values))


def make_frame(table: pa.Table, inputs: Iterable[Input]) -> pd.DataFrame:
    """The inputs as float64 and text columns, nulls as NaN and ``(not known)``; one row a row of ``table``.

    Raises
    ------
    ModelError
        A feature is missing, or has an infinite value.
    """
    inputs = list(inputs)
    missing = [feature.name for feature in inputs if feature.name not in table.column_names]
    if missing:
        raise ModelError(f"the build has no feature {', '.join(missing)}: run 'churn train' on this build")
    columns = {
        feature.name: column_values(table.column(feature.name), feature.name, feature.kind)
        for feature in inputs
    }
    return pd.DataFrame(columns, copy=False)


def column_values(column: pa.ChunkedArray, name: str, kind: str) -> NDArray[Any]:
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
