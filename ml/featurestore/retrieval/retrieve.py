"""Point-in-time retrieval: rows of customer and instant in, the same rows with every feature out.

``join`` finds the row of each view in force at each as-of instant; the result is then made slice by slice,
with on-demand features, so that memory stays bounded. Training, scoring and ``churn features`` call it.
"""

import difflib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from ml.common.errors import FeatureError, RowsError
from ml.common.memory import memory_limit as usual_limit
from ml.common.sql import quoted
from ml.featurestore.catalog import Catalog, Feature, read_catalog
from ml.featurestore.formulas import AS_OF, INSTANT, evaluate_all, used_names
from ml.featurestore.retrieval.entity_row_checks import CUSTOMER, as_table, check_columns, read_keys
from ml.featurestore.retrieval.history import History, files_in
from ml.featurestore.retrieval.join import Group, JoinedValues

MEMORY_LIMIT = "3GB"
SLICE_ROWS = 122_880  # the size of DuckDB's row groups
OPERAND_PREFIX = "operand "
Rows: TypeAlias = "pa.Table | pa.RecordBatchReader"


def point_in_time(
    build: Path, rows: Rows, *, features: Sequence[str] | None = None, memory_limit: str | None = None
) -> pa.Table:
    """Features of customers at instants, as one table.

    Parameters
    ----------
    build : Path
        The build's folder.
    rows : Table or RecordBatchReader
        Columns customer_id (text or whole numbers) and event_timestamp (instants, dates or ISO 8601 text;
        without a zone UTC), and any others.
    features : sequence of str, optional
        Which features; all by default. They come in the catalog's order.
    memory_limit : str, optional
        The memory of the joins, by default ``CHURN_MEMORY_LIMIT`` or 3GB; more goes to a temporary folder.

    Returns
    -------
    Table
        The entity rows, as many and in their order, their own columns unchanged, then the features. A feature
        is null before the customer's first known fact, and for an unknown customer.

    Raises
    ------
    RowsError
        The entity rows or features make no sense; the message names the first such row.
    CatalogError
        The build cannot be read.
    """
    return point_in_time_stream(build, rows, features=features, memory_limit=memory_limit).read_all()


def point_in_time_stream(
    build: Path,
    rows: Rows,
    *,
    features: Sequence[str] | None = None,
    memory_limit: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> pa.RecordBatchReader:
    """The same as ``point_in_time``, as a stream: for results that do not fit in memory.

    Rows are checked, and joined, before the stream is returned. After each slice ``on_progress`` is called
    with the number of rows done, and of all entity rows.
    """
    catalog = read_catalog(build)
    names = choose(catalog, features)
    check_columns(rows.schema.names, names)
    folder = tempfile.TemporaryDirectory(prefix="tidemark-")
    entity_rows = as_table(rows, Path(folder.name))
    keys = read_keys(entity_rows)
    used = with_operands(catalog, names)
    stored = [feature for feature in catalog.stored if feature.name in used]
    groups = []
    for view in catalog.views:
        columns = {feature.name: feature.name for feature in view.features if feature.name in used}
        if columns:
            # a build has one row per customer and instant
            history = History(files_in(str(view.path)), ["customer_id"], "event_timestamp", is_unique=True)
            groups.append(Group(view.name, history, [CUSTOMER], columns))
    values = JoinedValues.find(
        keys["instant"], {CUSTOMER: keys["customer"]}, groups, memory_limit or usual_limit(MEMORY_LIMIT)
    )
    formulas = {name: formula for name, formula in catalog.formulas.items() if name in used}
    slices = FeatureSlices(entity_rows, keys["instant"], values, names, stored, formulas)

    def batches() -> Iterator[pa.RecordBatch]:
        with folder, values:
            for first in range(0, len(entity_rows), SLICE_ROWS):
                yield from slices.slice(first).to_batches()
                on_progress(min(first + SLICE_ROWS, len(entity_rows)), len(entity_rows))

    return pa.RecordBatchReader.from_batches(slices.slice(len(entity_rows)).schema, batches())


def choose(catalog: Catalog, names: Sequence[str] | None) -> list[str]:
    """The requested features, in the catalog's order."""
    for name in names or ():
        if name not in catalog.feature_names:
            near = difflib.get_close_matches(name, catalog.feature_names, 1)
            raise RowsError(f"there is no feature {name}" + (f": did you mean {near[0]}?" if near else ""))
    return [name for name in catalog.feature_names if names is None or name in names]


def with_operands(catalog: Catalog, names: Sequence[str]) -> frozenset[str]:
    """``names`` and all features that their formulas use, directly or not."""
    used, pending = set[str](), list(names)
    while pending:
        name = pending.pop()
        if name not in used and name in catalog.formulas:
            pending += used_names(name, catalog.formulas[name])
        used.add(name)
    return frozenset(used)


def operands_of(formulas: Mapping[str, str]) -> frozenset[str]:
    """Every name in any of the formulas."""
    return frozenset().union(*(used_names(name, formula) for name, formula in formulas.items()))


@dataclass(frozen=True)
class FeatureSlices:
    """Everything needed to make any slice of the result."""

    entity_rows: pa.Table
    instants: pa.ChunkedArray
    values: JoinedValues
    names: Sequence[str]
    stored: Sequence[Feature]
    formulas: Mapping[str, str]

    def slice(self, first: int) -> pa.Table:
        """Up to ``SLICE_ROWS`` entity rows from ``first`` on, with their features."""
        rows = self.entity_rows.slice(first, SLICE_ROWS)
        operands = operands_of(self.formulas)
        used = [feature for feature in self.stored if feature.name in operands]
        columns = [*(quoted(feature.name) for feature in self.stored), *map(operand, used)]
        stored = self.values.read(columns, first, first + len(rows))
        if len(stored) != len(rows):
            raise FeatureError(f"{len(rows)} rows asked but {len(stored)} answered: build again")
        operand_values = stored.select([OPERAND_PREFIX + feature.name for feature in used])
        derived = on_demand(
            self.formulas,
            operand_values.rename_columns([feature.name for feature in used]),
            self.instants.slice(first, SLICE_ROWS),
        )
        features = {name: derived[name] if name in derived else stored[name] for name in self.names}
        entity_columns = dict(zip(rows.column_names, rows.columns, strict=True))
        return pa.table(entity_columns | features).combine_chunks()


def operand(feature: Feature) -> str:
    """The SQL for a feature as an operand of formulas: an instant, or a double."""
    kind = "timestamp" if feature.kind == INSTANT else "double"
    return f"{quoted(feature.name)}::{kind} as {quoted(OPERAND_PREFIX + feature.name)}"


def on_demand(
    formulas: Mapping[str, str], operands: pa.Table, instants: pa.ChunkedArray
) -> dict[str, pa.Array]:
    """On-demand features of one slice; a missing value is null."""
    columns = {name: operands[name].to_numpy() for name in operands.column_names}
    derived = evaluate_all(formulas, columns | {AS_OF: instants.to_numpy()})
    return {name: pa.array(values, mask=np.isnan(values)) for name, values in derived.items()}
