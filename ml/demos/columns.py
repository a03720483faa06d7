"""numpy arrays in, exact Arrow columns out: identifiers, decimals, instants, codes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Array = npt.NDArray[Any]
DAY = 86_400_000_000
"""Microseconds in a day."""
NONE = np.iinfo(np.int64).min
"""Stands for null in an int64 array."""


def identifiers(prefix: str, numbers: Array, width: int = 7) -> Any:
    """``prefix`` and a number padded with zeros: ``C0000042``."""
    return pc.binary_join_element_wise(prefix, _padded(numbers, width), "")


def numbered(parents: Any, numbers: Array, width: int = 4) -> Any:
    """The parent's identifier and a number within it: ``C0000042-0003``."""
    return pc.binary_join_element_wise(parents, _padded(numbers, width), "-")


def _padded(numbers: Array, width: int) -> Any:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def decimals(units: Array, scale: int = 2, precision: int = 18) -> Any:
    """Whole ``units`` of ``10 ** -scale`` as DECIMAL, without a float in between."""
    halves = np.empty((len(units), 2), dtype="<i8")
    halves[:, 0] = units
    halves[:, 1] = np.where(units < 0, -1, 0)
    column = pa.Array.from_buffers(pa.decimal128(precision, scale), len(units), [None, pa.py_buffer(halves)])
    return _with_nulls(column, units == NONE)


def instants(microseconds: Array) -> Any:
    """Microseconds since 1970 as TIMESTAMP."""
    return pa.array(microseconds.view("datetime64[us]"), mask=microseconds == NONE)


def dates(days: Array) -> Any:
    """Days since 1970 as DATE."""
    return pa.array(days, mask=days == NONE).cast(pa.int32()).cast(pa.date32())


def integers(values: Array) -> Any:
    """Whole numbers as BIGINT."""
    return pa.array(values, mask=values == NONE)


def names_of_codes(codes: Array, names: Sequence[str | None]) -> Any:
    """The name of each code."""
    return pa.array(names, type=pa.string()).take(pa.array(codes))


def _with_nulls(column: Any, missing: Array) -> Any:
    return pc.if_else(pa.array(missing), None, column) if missing.any() else column
