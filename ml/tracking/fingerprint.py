"""The fingerprint of tables: equal rows in equal order have the same one, however they are chunked."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def fingerprint(tables: Iterable[pa.Table]) -> str:
    """SHA-256 over names, types and values of every column of every table, in order.

    Parameters
    ----------
    tables : iterable of Table
        Columns of numbers, flags, instants, dates and texts; chunks and the memory behind nulls make no
        difference.
    """
    digest = hashlib.sha256()
    for table in tables:
        digest.update(f"{len(table)} rows\n".encode())
        for field in table.schema:
            digest.update(f"{field.name} {field.type}\n".encode())
            for content in column_bytes(table.column(field.name)):
                digest.update(content)
    return digest.hexdigest()


def column_bytes(column: pa.ChunkedArray) -> Iterable[Any]:
    """The null mask of a column, then its values."""
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    yield np.packbits(nulls).tobytes()
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        texts = pc.fill_null(array, "")
        yield pc.binary_length(texts).to_numpy(zero_copy_only=False).astype("<i8").tobytes()
        yield "".join(texts.to_pylist()).encode()
    elif len(array) and not pa.types.is_null(array.type):
        yield value_bytes(array, nulls)


def value_bytes(array: pa.Array, nulls: NDArray[np.bool_]) -> bytes:
    """The bytes of values of one width, zeros for nulls."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    width = array.type.bit_width // 8
    start, length = array.offset * width, len(array) * width
    values = np.frombuffer(array.buffers()[1], np.uint8, length, start).reshape(len(array), width).copy()
    values[nulls] = 0
    return values.tobytes()
