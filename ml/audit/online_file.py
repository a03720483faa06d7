"""The online store's file: its materialized views, and its rows as Parquet, read by chunks without Feast.

All reads are of one state of the file, even during a write.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ml.audit.findings import Breach
from ml.common.errors import TidemarkError
from ml.common.paths import ROOT, feast_path
from ml.common.sql import quoted
from ml.featurestore.catalog import KEYS, View
from ml.featurestore.feast_types import feast_type_name
from ml.featurestore.online.status import damage_as_error
from ml.featurestore.online.table_names import table_name
from ml.home.layout import Home

CHUNK = 50_000
BUSY_SECONDS = 60
# The store is SQLite: it has no type for true and false, and keeps instants as text.
STORED_AS = {"Int64": pa.int64(), "Float64": pa.float64(), "Bool": pa.int64(), "String": pa.string()}
CONVERSION_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)


@dataclass(frozen=True)
class StoredView:
    """A view in the store: the build it was loaded from, and its as-of instant."""

    view: str
    build: Path
    until: datetime


def store_file(home: Home) -> Path:
    """The path of the online store."""
    settings = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text())
    return feast_path(settings["online_store"]["path"], home.root)


@contextmanager
def one_state(file: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to one state of the store.

    Raises
    ------
    OnlineDamagedError, TidemarkError
        The file cannot be read as a store.
    """
    store = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        with damage_as_error(file):
            store.execute("begin")
            store.execute("select 1 from sqlite_master").fetchone()
            yield store
    except sqlite3.Error as error:
        raise TidemarkError(f"{file} cannot be read: {error}; once it can, audit again") from error
    finally:
        store.close()


def stored_views(store: sqlite3.Connection, home: Home) -> list[StoredView]:
    """The views in the store; builds are found by name, because a home may have been moved."""
    if not store.execute("select 1 from sqlite_master where name = 'materialized'").fetchone():
        return []
    rows = store.execute("select view, source, until from materialized order by view").fetchall()
    return [
        StoredView(view, home.builds / Path(source).parent.parent.name, datetime.fromisoformat(until))
        for view, source, until in rows
    ]


def missing_columns(store: sqlite3.Connection, view: View) -> list[str]:
    """Features of ``view`` without a column in the store."""
    columns = {row[1] for row in store.execute(f"pragma table_info({quoted(table_name(view.name))})")}
    return [feature.name for feature in view.features if feature.name not in columns]


def copy_rows(store: sqlite3.Connection, view: View, file: Path) -> list[Breach]:
    """Write the store's rows of ``view`` as Parquet; values of a wrong type are null there, and breaches."""
    types = dict.fromkeys(KEYS, pa.string())
    types |= {feature.name: STORED_AS[feast_type_name(feature.sql_type)] for feature in view.features}
    columns = ", ".join(map(quoted, types))
    cursor = store.execute(f"select {columns} from {quoted(table_name(view.name))}")
    wrong_cells: dict[str, list[tuple[str, Any]]] = {}
    with pq.ParquetWriter(file, pa.schema(list(types.items()))) as writer:
        while rows := cursor.fetchmany(CHUNK):
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
