"""Point-in-time retrieval: rows of customer and instant in, the same rows with every feature out.

For each view the row that held at each as-of instant is found (``join``); the answer is then put
together slice by slice, on-demand features computed on the way, so that memory stays bounded. Training,
scoring and ``churn features`` read from here.
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
from ml.featurestore.catalog import Catalog, Feature, View, read_catalog
from ml.featurestore.formulas import ASKED_AT, INSTANT, evaluate_all, used_names
from ml.featurestore.retrieval.customer_rows import CUSTOMER, at_hand, check_columns, read_keys
from ml.featurestore.retrieval.history import History, files_in
from ml.featurestore.retrieval.join import Group, HeldValues

MEMORY_LIMIT = "3GB"
SLICE = 122_880
AS_OPERAND = "operand "
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
        What the joins may hold in memory, by default ``CHURN_MEMORY_LIMIT`` or 3GB; more goes to a temporary
        folder.

    Returns
    -------
    Table
        The entity rows, as many and in their order, their own columns unchanged, then the features. A feature
        is null before the customer's first known fact, and for a customer nobody knows.

    Raises
    ------
    RowsError
        The entity rows or features make no sense; the sentence names the first row that does not.
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
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> pa.RecordBatchReader:
    """The same as ``point_in_time``, as a stream: for rows whose answer does not fit in memory.

    Rows are checked, and joined, before the stream is returned. Whenever more rows have been answered,
    ``tell`` is called with how many, and how many were asked.
    """
    catalog = read_catalog(build)
    names = choose(catalog, features)
    check_columns(rows.schema.names, names)
    folder = tempfile.TemporaryDirectory(prefix="tidemark-")
    asked = at_hand(rows, Path(folder.name))
    keys = read_keys(asked)
    used = with_operands(catalog, names)
    stored = [feature for feature in catalog.stored if feature.name in used]
    groups = [group for view in catalog.views if (group := group_of(view, used)).columns]
    held = HeldValues.find(
        keys["instant"], {CUSTOMER: keys["customer"]}, groups, memory_limit or usual_limit(MEMORY_LIMIT)
    )
    formulas = {name: formula for name, formula in catalog.formulas.items() if name in used}
    answer = Answer(asked, keys["instant"], held, names, stored, formulas)

    def batches() -> Iterator[pa.RecordBatch]:
        with folder, held:
            for first in range(0, len(asked), SLICE):
                yield from answer.slice(first).to_batches()
                tell(min(first + SLICE, len(asked)), len(asked))

    return pa.RecordBatchReader.from_batches(answer.slice(len(asked)).schema, batches())


def group_of(view: View, names: frozenset[str]) -> Group:
    """Those of the features ``names`` that are in ``view``; a build has one row a customer and instant."""
    columns = {feature.name: feature.name for feature in view.features if feature.name in names}
    history = History(files_in(str(view.path)), ["customer_id"], "event_timestamp", is_unique=True)
    return Group(view.name, history, [CUSTOMER], columns)


def choose(catalog: Catalog, names: Sequence[str] | None) -> list[str]:
    """The features asked for, in the catalog's order."""
    for name in names or ():
        if name not in catalog.feature_names:
            near = difflib.get_close_matches(name, catalog.feature_names, 1)
            raise RowsError(f"there is no feature {name}" + (f": did you mean {near[0]}?" if near else ""))
    return [name for name in catalog.feature_names if names is None or name in names]


def with_operands(catalog: Catalog, names: Sequence[str]) -> frozenset[str]:
    """``names`` and all that their formulas use, directly or not."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name in catalog.formulas:
            waiting += used_names(name, catalog.formulas[name])
        found.add(name)
    return frozenset(found)


def operands_of(formulas: Mapping[str, str]) -> frozenset[str]:
    """Every name in any of the formulas."""
    return frozenset().union(*(used_names(name, formula) for name, formula in formulas.items()))


@dataclass(frozen=True)
class Answer:
    """All that is needed to answer any slice of the entity rows."""

    asked: pa.Table
    instants: pa.ChunkedArray
    held: HeldValues
    names: Sequence[str]
    stored: Sequence[Feature]
    formulas: Mapping[str, str]

    def slice(self, first: int) -> pa.Table:
        """Up to SLICE entity rows from ``first`` on, with their features."""
        rows = self.asked.slice(first, SLICE)
        operands = operands_of(self.formulas)
        used = [feature for feature in self.stored if feature.name in operands]
        columns = [*(quoted(feature.name) for feature in self.stored), *map(operand, used)]
        found = self.held.read(columns, first, first + len(rows))
        if len(found) != len(rows):
            raise FeatureError(f"{len(rows)} rows asked but {len(found)} answered: build again")
        read = found.select([AS_OPERAND + feature.name for feature in used])
        derived = on_demand(
            self.formulas,
            read.rename_columns([feature.name for feature in used]),
            self.instants.slice(first, SLICE),
        )
        answered = {name: derived[name] if name in derived else found[name] for name in self.names}
        own = dict(zip(rows.column_names, rows.columns, strict=True))
        return pa.table(own | answered).combine_chunks()


def operand(feature: Feature) -> str:
    """A feature as formulas read it; the division of a DECIMAL is DuckDB's everywhere."""
    kind = "timestamp" if feature.kind == INSTANT else "double"
    return f"{quoted(feature.name)}::{kind} as {quoted(AS_OPERAND + feature.name)}"


def on_demand(
    formulas: Mapping[str, str], operands: pa.Table, instants: pa.ChunkedArray
) -> dict[str, pa.Array]:
    """On-demand features of one slice; a value that cannot be had is null."""
    columns = {name: operands[name].to_numpy() for name in operands.column_names}
    found = evaluate_all(formulas, columns | {ASKED_AT: instants.to_numpy()})
    return {name: pa.array(values, mask=np.isnan(values)) for name, values in found.items()}
