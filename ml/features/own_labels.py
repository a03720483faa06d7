"""The user's own labels: customers, instants and outcomes from a file instead of the build's labels.

Each row of customer_id, event_timestamp and label is checked; each pair of customer and instant counts once.
``dataset`` and training use the rows; a model stores them as ``labels.parquet``.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.common.durable_files import sha256
from ml.common.errors import RowsError, UsageError
from ml.common.instants import format_instant
from ml.common.number_words import counted
from ml.config.problem import REGRESSION, Problem
from ml.features.labels import parquet
from ml.features.point_in_time import FilePath, as_rows
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.entity_row_checks import (
    CUSTOMER,
    EVENT_TIMESTAMP,
    bytes_as_text,
    is_text,
    read_keys,
    without_dictionary,
)
from ml.home.build_manifest import data_clock

if TYPE_CHECKING:
    import pandas as pd

LABELS_FILE = "labels.parquet"  # beside the model that learned from them
LABEL_NAMES = ("label", "churned")
TEXTS = pa.array(["0", "1", "false", "true", "0.0", "1.0"], pa.large_string())
NUMBERS = pa.array([0.0, 1.0])
LabelSource: TypeAlias = "FilePath | pa.Table | pd.DataFrame"


@dataclass(frozen=True)
class LabelFacts:
    """The source of labels, as ``labels`` of ``model.json``.

    Parameters
    ----------
    file, sha256 : str or None
        None for rows in memory; of a dbt model its name and None.
    rows, instants : int
        Number of rows, and of different instants.
    duplicates : int
        Exact copies, which count once.
    not_yet_known : int
        Rows before their customer's first known fact, so that every feature is null.
    unsettled : int
        Rows whose horizon and label delay end after the data clock.
    """

    file: str | None
    sha256: str | None
    rows: int
    instants: int
    duplicates: int
    not_yet_known: int
    unsettled: int


@dataclass(frozen=True)
class OwnLabels:
    """Labelled rows of a file.

    Parameters
    ----------
    table : Table
        customer_id, event_timestamp (UTC), churned (0 or 1; of a regression label, an amount), ordered by
        instant and customer.
    facts : LabelFacts
    """

    table: pa.Table
    facts: LabelFacts

    def notes(self) -> list[str]:
        """Sentences on duplicates, on rows without known features and on unsettled labels."""
        facts, notes = self.facts, []
        source = name_of(facts.file)
        if facts.duplicates:
            copies = counted(facts.duplicates, "exact copy", "exact copies")
            notes.append(f"note: {source}: {copies} left out")
        if facts.not_yet_known:
            notes.append(
                f"note: {source}: {counted(facts.not_yet_known, 'row')} before the customer's first known "
                "fact, so all features are null there"
            )
        if facts.unsettled:
            notes.append(
                f"note: {source}: {counted(facts.unsettled, 'row')} whose horizon ends after the data clock: "
                "leave such rows out unless their outcome is known from elsewhere"
            )
        return notes


def read_labels(labels: LabelSource, build: Path, problem: Problem) -> OwnLabels:
    """Read and check labels.

    Parameters
    ----------
    labels : path, Table or DataFrame
        Columns customer_id, event_timestamp and label (0 or 1, true or false; ``churned`` is another name of
        the column). Other columns are not read. A path is Parquet, CSV or JSON lines by its ending.
    build : Path
        The build with the features of the rows.
    problem : Problem
        With the horizon and label delay of the labels.

    Raises
    ------
    UsageError
        The file cannot be read, or a row has no usable key or label, an unknown customer, an instant after
        the data clock, or another label than a row of the same customer and instant.
    """
    path = Path(labels) if isinstance(labels, str | os.PathLike) else None
    name = name_of(path.name if path else None)
    rows = label_rows(labels, name)
    try:
        keys = read_keys(rows)
        is_amount = problem.task == REGRESSION
        labels_of = amounts if is_amount else label_values
        values = labels_of(rows.column(2), rows.column_names[2])
    except RowsError as error:
        raise UsageError(f"{name}: {error}") from error
    keys = keys.append_column("label", values)
    check_instants(keys, build, name)
    with duckdb.connect() as connection:
        connection.register("keys", keys)
        connection.execute(PAIRS)
        check_contradictions(connection, name)
        early = count_not_yet_known(connection, build, name)
        table = connection.execute(ROWS.format(name="label" if is_amount else "churned")).to_arrow_table()
    facts = LabelFacts(
        file=path.name if path else None,
        sha256=sha256(path) if path else None,
        rows=len(table),
        instants=pc.count_distinct(table.column("event_timestamp")).as_py(),
        duplicates=len(rows) - len(table),
        not_yet_known=early,
        unsettled=count_unsettled(table, build, problem),
    )
    return OwnLabels(table, facts)


PAIRS = """
create temp table pairs as
select
    customer as customer_id, instant as event_timestamp,
    min(label) as label, max(label) as highest, min("row") as first_row
from keys
group by all
"""
ROWS = "select customer_id, event_timestamp, label as {name} from pairs order by event_timestamp, customer_id"


def is_model(facts: Mapping[str, Any]) -> bool:
    """Whether ``labels`` of ``model.json`` are those of a dbt model: they have a name and no file's hash."""
    return facts["file"] is not None and facts["sha256"] is None


def name_of(file: str | None) -> str:
    """The name of the labels in a sentence."""
    return file or "the labels"


def label_rows(labels: LabelSource, name: str) -> pa.Table:
    """The two keys and the label, in this order."""
    reader = as_rows(labels)
    columns = [CUSTOMER, EVENT_TIMESTAMP, label_column(reader.schema.names, name)]
    if isinstance(reader, pa.Table):
        rows = reader.select(columns)
    else:
        schema = pa.schema([reader.schema.field(column) for column in columns])
        rows = pa.Table.from_batches((batch.select(columns) for batch in reader), schema)
    if not len(rows):
        raise UsageError(f"{name} has no rows: each row is a customer_id, an event_timestamp and a label")
    return rows


def label_column(names: list[str], name: str) -> str:
    """The column of labels; UsageError unless this and the keys are there once."""
    labels = [column for column in LABEL_NAMES if column in names]
    required = [CUSTOMER, EVENT_TIMESTAMP, labels[0] if labels else LABEL_NAMES[0]]
    if missing := [column for column in required if column not in names]:
        raise UsageError(
            f"{name} has no column {missing[0]}: it needs customer_id, event_timestamp and label, and has "
            f"{', '.join(names) or 'none'}"
        )
    if len(labels) > 1 or any(names.count(column) > 1 for column in required):
        twice = " and ".join(labels) if len(labels) > 1 else f"{max(required, key=names.count)} twice"
        raise UsageError(f"{name} has the columns {twice}: keep one of them")
    return required[2]


def label_values(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Labels as 0 and 1.

    Raises
    ------
    RowsError
        A label is missing or is something else; the first such row is named.
    """
    column = bytes_as_text(without_dictionary(column), name)
    kind = column.type
    if pa.types.is_null(kind) or pa.types.is_boolean(kind):
        labels = column.cast(pa.int64())
    elif is_text(kind):
        texts = pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.large_string())))
        column = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.large_string()), column)
        index = pc.index_in(texts, TEXTS).cast(pa.int64())
        labels = pc.subtract(index, pc.multiply(pc.divide(index, 2), 2))  # TEXTS alternate between 0 and 1
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        labels = pc.index_in(column.cast(pa.float64()), NUMBERS).cast(pa.int64())
    else:
        raise RowsError(f"{name} is of type {kind}: give 0 or 1, or true or false")
    if labels.null_count:
        row = pc.index(labels.is_null(), True).as_py()
        value = column[row].as_py()
        what = f"{name} is missing" if value is None or value != value else f"{name} is {value!r}"
        raise RowsError(f"{what} in row {row + 1}: write 0 or 1, or true or false")
    return labels


def amounts(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Labels of a regression as float64.

    Raises
    ------
    RowsError
        A label is missing or is no finite number; the first such row is named.
    """
    column = bytes_as_text(without_dictionary(column), name)
    try:
        values = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RowsError(f"{name} is of type {column.type}: give numbers") from error
    wrong = pc.invert(pc.fill_null(pc.is_finite(values), False))
    if pc.any(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        raise RowsError(f"{name} is {column[row].as_py()!r} in row {row + 1}: write a number")
    return values


def check_instants(keys: pa.Table, build: Path, name: str) -> None:
    """UsageError for an instant after the data clock, at which no feature is known."""
    clock = data_clock(build)
    later = pc.greater(keys["instant"], pa.scalar(clock, pa.timestamp("us")))
    if count := pc.sum(later).as_py():
        row = pc.index(later, True).as_py()
        raise UsageError(
            f"{name}: {counted(count, 'event_timestamp')} after the data clock of {build.name}, "
            f"{format_instant(clock)}, the first in row {row + 1}: leave such rows out, or ingest newer "
            "data and build"
        )


def check_contradictions(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """UsageError for a customer with two labels at one instant."""
    count, customer, instant = connection.execute(
        """
        select count(*), arg_min(customer_id, first_row), arg_min(event_timestamp, first_row)
        from pairs where label <> highest
        """
    ).fetchall()[0]
    if count:
        raise UsageError(
            f"{name} has rows of the same customer and instant with different labels, the first is "
            f"{customer} at {format_instant(instant)} ({count:,} in all): keep one row of each"
        )


def count_not_yet_known(connection: duckdb.DuckDBPyConnection, build: Path, name: str) -> int:
    """Number of rows before the first known fact of their customer; UsageError for an unknown customer."""
    views = [
        f"select customer_id, event_timestamp from {parquet(view.path)}" for view in read_catalog(build).views
    ]
    count, first, row, early = connection.execute(
        f"""
        with known as (
            select customer_id, min(event_timestamp) as since
            from ({" union all ".join(views)})
            where customer_id in (select customer_id from pairs)
            group by customer_id
        )
        select
            count(distinct pairs.customer_id) filter (where since is null),
            arg_min(pairs.customer_id, first_row) filter (where since is null),
            min(first_row) filter (where since is null),
            count(*) filter (where since > pairs.event_timestamp)
        from pairs left join known using (customer_id)
        """
    ).fetchall()[0]
    if count:
        raise UsageError(
            f"{name}: {counted(count, 'customer')} unknown to {build.name}, the first is "
            f"{first!r} in row {row + 1}: correct the key or leave the rows out, or ingest them and build"
        )
    return int(early)


def count_unsettled(table: pa.Table, build: Path, problem: Problem) -> int:
    """Number of rows whose labels are not settled at the data clock."""
    last = data_clock(build) - problem.gap
    later = pc.greater(table.column("event_timestamp"), pa.scalar(last, pa.timestamp("us")))
    return int(pc.sum(later).as_py())


def labels_of_model(folder: Path, manifest: Mapping[str, Any]) -> OwnLabels | None:
    """The user's own labels that a model was trained on; None if they are the build's."""
    if "labels" not in manifest:
        return None
    return OwnLabels(pq.read_table(folder / LABELS_FILE), LabelFacts(**manifest["labels"]))
