"""Arrow batches as rows for SQLite, converted by columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureView
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values

from ml.common.errors import FeatureError
from ml.featurestore.online.column_selection import DeclaredColumn, declared_features

CONVERSION_ERRORS = (TypeError, ValueError, AssertionError, AttributeError, KeyError)


def rows_of(batch: pa.RecordBatch, view: FeatureView) -> Iterator[tuple[Any, ...]]:
    """Rows of keys, event and created timestamp, null as the push mark, then features.

    Parameters
    ----------
    batch : RecordBatch
        A batch of ``last_rows``.
    view : FeatureView
    """
    fields = declared_features(view)
    key_columns = [python_values(batch.column(index)) for index in range(batch.num_columns - len(fields))]
    features = [stored_values(batch.column(name), column) for name, column in fields.items()]
    return zip(*key_columns, [None] * batch.num_rows, *features, strict=True)


def stored_values(column: pa.Array, declared: DeclaredColumn) -> list[Any]:
    """A column in the form that the online store writes.

    Raises
    ------
    FeatureError
        The values do not fit Feast's type.
    """
    kind = declared.kind
    if kind.field is not None:
        values = python_values(column)
        return with_nan(column, values, kind.field) if pa.types.is_floating(column.type) else values
    try:
        messages = python_values_to_proto_values(column.to_pylist(maps_as_pydicts="strict"), kind.type)
    except CONVERSION_ERRORS as error:
        raise FeatureError(f"{declared.refusal(str(column.type).upper())} ({error})") from error
    return [kind.stored(value) for value in messages]


def with_nan(column: pa.Array, values: list[Any], field: str) -> list[Any]:
    """Values with NaN as Feast's message, because SQLite would write it as null."""
    positions = np.flatnonzero(np.isnan(column.fill_null(0).to_numpy(zero_copy_only=False)))
    if positions.size:
        content: dict[str, Any] = {field: float("nan")}
        not_a_number = Value(**content).SerializeToString()
        for position in positions:
            values[position] = not_a_number
    return values


def python_values(column: pa.Array) -> list[Any]:
    """The values of a column as Python's own; null is None."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.to_numpy(zero_copy_only=False).tolist() if is_text(column.type) else column.to_pylist()
    if not column.null_count:
        return column.to_numpy(zero_copy_only=False).tolist()
    values = column.fill_null(0).to_numpy(zero_copy_only=False).astype(object)
    values[np.asarray(column.is_null())] = None
    return values.tolist()


def is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_)
