"""The online store, whichever it is: its materialized views, and its rows as Parquet, read by chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ml.audit.findings import Breach
from ml.featurestore.catalog import KEYS, View
from ml.featurestore.feast_types import feast_type_name
from ml.featurestore.online.whole_state import WholeState
from ml.home.layout import Home

CHUNK = 50_000
# The store has SQLite's types: none for true and false, and keeps instants as text.
STORED_AS = {"Int64": pa.int64(), "Float64": pa.float64(), "Bool": pa.int64(), "String": pa.string()}
CONVERSION_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)


@dataclass(frozen=True)
class StoredView:
    """A view in the store: the build it was loaded from, and its as-of instant."""

    view: str
    build: Path
    until: datetime


def stored_views(state: WholeState, home: Home) -> list[StoredView]:
    """The views in the store; builds are found by name, because a home may have been moved."""
    return [
        StoredView(view, home.builds / Path(source).parent.parent.name, datetime.fromisoformat(until))
        for view, source, until in state.loaded()
    ]


def missing_columns(state: WholeState, view: View) -> list[str]:
    """Features of ``view`` without a column in the store."""
    columns = state.columns(view.name)
    return [feature.name for feature in view.features if feature.name not in columns]


def copy_rows(state: WholeState, view: View, file: Path) -> list[Breach]:
    """Write the store's rows of ``view`` as Parquet; values of a wrong type are null there, and breaches."""
    types = dict.fromkeys(KEYS, pa.string())
    types |= {feature.name: STORED_AS[feast_type_name(feature.sql_type)] for feature in view.features}
    customer, *_ = KEYS
    stored = state.rows(view.name, customer, [feature.name for feature in view.features])
    wrong_cells: dict[str, list[tuple[str, Any]]] = {}
    with pq.ParquetWriter(file, pa.schema(list(types.items()))) as writer:
        while rows := list(islice(stored, CHUNK)):
            values = dict(zip(types, zip(*rows, strict=True), strict=True))
            arrays = []
            for name, type_ in types.items():
                array, wrong_rows = as_array(values[name], type_)
                arrays.append(array)
                if wrong_rows:
                    cells = [(values["customer_id"][row], values[name][row]) for row in wrong_rows]
                    wrong_cells.setdefault(name, []).extend(cells)
            writer.write_table(pa.table(arrays, names=list(types)))
    return [
        Breach(
            f"{view.name}.{name} holds {cells[0][1]!r} online, which is no value of its type",
            {"customer_id": str(cells[0][0]), "feature": name, "online": repr(cells[0][1])},
            len(cells),
        )
        for name, cells in wrong_cells.items()
    ]


def as_array(values: Sequence[Any], type_: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The values of one column, null if of another type, and the rows of those."""
    try:
        return pa.array(values, type_), []
    except CONVERSION_ERRORS:
        converted = [value if fits(value, type_) else None for value in values]
        wrong_rows = [row for row, value in enumerate(values) if value is not None and converted[row] is None]
        return pa.array(converted, type_), wrong_rows


def fits(value: Any, type_: pa.DataType) -> bool:
    try:
        pa.scalar(value, type_)
    except CONVERSION_ERRORS:
        return False
    return True
