"""Arrow batches as rows that SQLite takes, converted a column at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureView
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values

from ml.common.errors import FeatureError
from ml.featurestore.online.column_selection import Declared, declared_features

UNTAKEN = (TypeError, ValueError, AssertionError, AttributeError, KeyError)


def rows_of(batch: pa.RecordBatch, view: FeatureView) -> Iterator[tuple[Any, ...]]:
    """Rows of keys, event and created timestamp, no mark of a push, then features.

    Parameters
    ----------
    batch : RecordBatch
        As ``last_rows`` gives it.
    view : FeatureView
    """
    fields = declared_features(view)
    own = [plain(batch.column(place)) for place in range(batch.num_columns - len(fields))]
    features = [kept(batch.column(name), declared) for name, declared in fields.items()]
    return zip(*own, [None] * batch.num_rows, *features, strict=True)


def kept(column: pa.Array, declared: Declared) -> list[Any]:
    """A column as the online store keeps it.

    Raises
    ------
    FeatureError
        Feast's type does not take its values.
    """
    kind = declared.kind
    if kind.field is not None:
        values = plain(column)
        return with_nan(column, values, kind.field) if pa.types.is_floating(column.type) else values
    try:
        messages = python_values_to_proto_values(column.to_pylist(maps_as_pydicts="strict"), kind.type)
    except UNTAKEN as error:
        raise FeatureError(f"{declared.refusal(str(column.type).upper())} ({error})") from error
    return [kind.kept(value) for value in messages]


def with_nan(column: pa.Array, values: list[Any], field: str) -> list[Any]:
    """Values with what is no number as Feast's message, for SQLite would make it null."""
    places = np.flatnonzero(np.isnan(column.fill_null(0).to_numpy(zero_copy_only=False)))
    if places.size:
        content: dict[str, Any] = {field: float("nan")}
        not_a_number = Value(**content).SerializeToString()
        for place in places:
            values[place] = not_a_number
    return values


def plain(column: pa.Array) -> list[Any]:
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
