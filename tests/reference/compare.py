"""Cell-by-cell comparison of a table with what the reference says."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

KEYS = ("asked_row", "customer_id", "event_timestamp")


class Difference(NamedTuple):
    """One cell that is not as expected."""

    row: int
    feature: str
    expected: Any
    actual: Any


class Comparison(NamedTuple):
    """The cells that differ, and how many were compared."""

    differences: list[Difference]
    cells: int


def compare(
    expected: pa.Table,
    actual: pa.Table,
    features: Iterable[str] | None = None,
    relative_tolerance: float = 1e-12,
) -> Comparison:
    """Compare two tables row by row (the same rows, in the same order).

    Parameters
    ----------
    expected : pyarrow.Table
        What the reference says.
    actual : pyarrow.Table
        Another table; columns that are not compared may be there too.
    features : iterable of str, optional
        Columns to compare; by default all of `expected` but its keys.
    relative_tolerance : float
        For columns that `expected` holds as floats. Everything else must be equal: numbers as numbers (the
        decimal 1.50 equals 1.5), instants as instants of UTC, and null only null.

    Raises
    ------
    ValueError
        If the tables differ in length, or `actual` lacks a column.
    """
    if expected.num_rows != actual.num_rows:
        raise ValueError(f"{expected.num_rows} rows expected, {actual.num_rows} given")
    names = (
        [name for name in expected.column_names if name not in KEYS] if features is None else list(features)
    )
    if missing := set(names) - set(actual.column_names):
        raise ValueError(f"columns missing: {', '.join(sorted(missing))}")
    differences = [
        found for name in names for found in _differences(name, expected, actual, relative_tolerance)
    ]
    return Comparison(differences, len(names) * expected.num_rows)


def _differences(name: str, expected: pa.Table, actual: pa.Table, tolerance: float) -> list[Difference]:
    tolerance = tolerance if pa.types.is_floating(expected.schema.field(name).type) else 0.0
    pairs = zip(_values(expected, name), _values(actual, name), strict=True)
    return [
        Difference(row, name, wanted, given)
        for row, (wanted, given) in enumerate(pairs)
        if not _same(wanted, given, tolerance)
    ]


def _values(table: pa.Table, name: str) -> list[Any]:
    column = table[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz))
    return [_naive(value) for value in column.to_pylist()]


def _naive(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _same(wanted: Any, given: Any, tolerance: float) -> bool:
    if wanted is None or given is None:
        return wanted is given
    if isinstance(wanted, bool) != isinstance(given, bool):
        return False
    if tolerance:
        return abs(float(given) - wanted) <= tolerance * abs(wanted)
    return bool(wanted == given)
