"""Arrow batches as rows that SQLite takes, converted a column at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureView
from feast.type_map import python_values_to_proto_values

from feature_repo.online_kinds import Kind, kinds


def rows_of(batch: pa.RecordBatch, view: FeatureView) -> Iterator[tuple[Any, ...]]:
    """Rows of keys, event and created timestamp, no mark of a push, then features.

    Parameters
    ----------
    batch : RecordBatch
        As ``feature_repo.last_rows`` gives it.
    view : FeatureView
    """
    fields = kinds(view)
    own = [plain(batch.column(place)) for place in range(batch.num_columns - len(fields))]
    features = [kept(batch.column(name), kind) for name, kind in fields.items()]
    return zip(*own, [None] * batch.num_rows, *features, strict=True)


def kept(column: pa.Array, kind: Kind) -> list[Any]:
    """A column as the online store keeps it."""
    if kind.field is not None:
        return plain(column)
    return [kind.kept(value) for value in python_values_to_proto_values(column.to_pylist(), kind.type)]


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
