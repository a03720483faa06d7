"""What the offline store answers with: jobs that run when asked for their rows, and stream them.

A job can be run again. Nothing of its answer is kept between runs, and a streamed answer never is in memory
as a whole.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from feast import OnDemandFeatureView
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.saved_dataset import SavedDatasetStorage
from feast.types import from_feast_to_pyarrow_type

from feature_repo.derived import declared_formulas
from feature_repo.disk import whole_file
from feature_repo.entity_rows import EntityRows
from feature_repo.held import Group, HeldValues
from feature_repo.history import (
    BEFORE_ALL,
    PLACE,
    ROWS_A_FILE,
    History,
    microseconds,
    since_1970,
    within,
)
from feature_repo.retrieval import AS_OPERAND, SLICE, on_demand, operands_of
from feature_repo.sql import quoted

AS_TEXT = {"TIMESTAMP": "%Y-%m-%dT%H:%M:%S.%f", "DATE": "%Y-%m-%d"}


@dataclass(frozen=True)
class Wanted:
    """One feature of a retrieval.

    Parameters
    ----------
    name : str
        Its name in the answer.
    feature, column : str
        Its name in the view, and in the files.
    is_text : bool
        Whether the view declares it as text.
    """

    name: str
    feature: str
    column: str
    is_text: bool


@dataclass(frozen=True)
class Joined:
    """One feature view of a retrieval."""

    name: str
    history: History
    asked_by: Sequence[str]
    wanted: Sequence[Wanted]

    @property
    def group(self) -> Group:
        columns = {wanted.name: wanted.column for wanted in self.wanted}
        return Group(self.table, self.history, self.asked_by, columns)

    @property
    def table(self) -> str:
        """The name of the table of its values, apart from the engine's own tables."""
        return f"view {self.name}"


class StreamedJob(RetrievalJob):
    """A job whose rows come as a stream."""

    def __init__(self, settings: tuple[str, str]) -> None:
        self.memory_limit, self.repo_path = settings

    def stream(self) -> pa.RecordBatchReader:
        """The rows, before on-demand features of others than this project."""
        raise NotImplementedError

    def to_arrow_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream.

        On-demand features are computed a slice of rows at a time, so those that look at other rows (ranks,
        averages) need ``to_arrow``; they come in the types that their views declare.
        """
        stream = self.stream()
        if not self.on_demand_feature_views:
            return stream
        begun = [batch for batch in [next(stream, None)] if batch is not None]
        first = self.transformed(pa.Table.from_batches(begun, stream.schema))
        schema = self.declared(first.schema, stream.schema.names)

        def batches() -> Iterator[pa.RecordBatch]:
            yield from first.cast(schema).to_batches()
            for batch in stream:
                yield from self.transformed(pa.Table.from_batches([batch])).cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, batches())

    def declared(self, schema: pa.Schema, stored: Sequence[str]) -> pa.Schema:
        """``schema`` with all but the ``stored`` columns in the types of their on-demand views."""
        kinds: dict[str, pa.DataType] = {}
        for view in self.on_demand_feature_views:
            prefix = f"{view.projection.name_to_use()}__" if self.full_feature_names else ""
            kinds |= {prefix + field.name: from_feast_to_pyarrow_type(field.dtype) for field in view.features}
        return pa.schema(
            [
                field if field.name in stored else field.with_type(kinds.get(field.name, field.type))
                for field in schema
            ]
        )

    def transformed(self, table: pa.Table) -> pa.Table:
        """Some rows with on-demand features, as Feast adds them."""
        return AtHand(table, self).to_arrow()

    def to_parquet(self, path: str | Path) -> None:
        """Write the rows to a Parquet file, as they come; the file is there when it is whole."""
        with self.to_arrow_reader() as reader, whole_file(Path(path)) as file:
            write_stream(reader, file)

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None
    ) -> None:
        """Write the rows to a file, or to a folder when the path does not end in ``.parquet``.

        Raises
        ------
        SavedDatasetLocationAlreadyExists
            Something is there already; with ``allow_overwrite`` it is replaced.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise TypeError(f"this offline store writes files, not to a {type(storage).__name__}")
        path = Path(FileSource.get_uri_for_file_path(self.repo_path, storage.file_options.uri))
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        if path.suffix == ".parquet":
            return self.to_parquet(path)
        made = path.with_name(f".{path.name}-{uuid4().hex}")
        made.mkdir(parents=True)
        try:
            self.to_parquet(made / "part-0.parquet")
            shutil.rmtree(path, ignore_errors=True)
            made.rename(path)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self.stream().read_all()

    def _to_df_internal(self, timeout: int | None = None) -> Any:
        return self._to_arrow_internal().to_pandas()

    @property
    def full_feature_names(self) -> bool:
        return False

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return []

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return None


class AtHand(RetrievalJob):
    """Rows at hand, for Feast to add on-demand features to."""

    def __init__(self, table: pa.Table, job: RetrievalJob) -> None:
        self.table, self.job = table, job

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self.table

    @property
    def full_feature_names(self) -> bool:
        return self.job.full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self.job.on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self.job.metadata


class PointInTimeJob(StreamedJob):
    """Features at the instants of entity rows.

    On-demand views written by this project are computed on whole columns; those of others by Feast.
    """

    def __init__(
        self,
        rows: EntityRows,
        joined: Sequence[Joined],
        on_demand_views: Sequence[OnDemandFeatureView],
        full_feature_names: bool,
        metadata: RetrievalMetadata,
        settings: tuple[str, str],
    ) -> None:
        super().__init__(settings)
        self.rows, self.joined = rows, joined
        self._full_feature_names, self._metadata = full_feature_names, metadata
        declared = [(view, declared_formulas(view)) for view in on_demand_views]
        self.own = [(view, *found) for view, found in declared if found]
        self._others = [view for view, found in declared if not found]

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self._others

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def stream(self) -> pa.RecordBatchReader:
        """The entity rows with stored features, and on-demand features of this project's own views."""
        asked = self.rows.table
        names = {name for one in self.joined for name in one.asked_by}
        held = HeldValues.find(
            self.rows.instants,
            {name: asked[name] for name in sorted(names)},
            [one.group for one in self.joined],
            self.memory_limit,
        )
        columns = self.selected(held)
        formulas = self.formulas()

        def part(first: int) -> pa.Table:
            rows = asked.slice(first, SLICE)
            found = held.read([*columns, *self.operands(formulas)], first, first + len(rows))
            own = dict(zip(rows.column_names, rows.columns, strict=True))
            stored = {wanted.name: found[wanted.name] for one in self.joined for wanted in one.wanted}
            return pa.table(own | stored | self.derived(formulas, found, first)).combine_chunks()

        def batches() -> Iterator[pa.RecordBatch]:
            with held:
                for first in range(0, len(asked), SLICE):
                    yield from part(first).to_batches()

        return pa.RecordBatchReader.from_batches(part(len(asked)).schema, batches())

    def selected(self, held: HeldValues) -> list[str]:
        """The SQL for each feature in the type that Feast carries it in."""
        columns = []
        for one in self.joined:
            kinds = held.types(one.table)
            for wanted in one.wanted:
                column = f"{quoted(one.table)}.{quoted(wanted.name)}"
                carry = carried if wanted.is_text or one.history.is_unique else as_it_is
                columns.append(f"{carry(column, kinds[wanted.name])} as {quoted(wanted.name)}")
        return columns

    def formulas(self) -> dict[str, str]:
        """The formulas of this project's own on-demand views, by feature."""
        return {name: formula for _, formulas, _ in self.own for name, formula in formulas.items()}

    def operands(self, formulas: Mapping[str, str]) -> list[str]:
        """The SQL for each stored feature that formulas use."""
        used = operands_of(formulas) - formulas.keys()
        instants = {name for _, _, names in self.own for name in names}
        kinds = {True: "timestamp", False: "double"}
        return [
            f"{quoted(one.table)}.{quoted(wanted.name)}::{kinds[wanted.feature in instants]}"
            f" as {quoted(AS_OPERAND + wanted.feature)}"
            for one in self.joined
            for wanted in one.wanted
            if wanted.feature in used
        ]

    def derived(self, formulas: Mapping[str, str], found: pa.Table, first: int) -> dict[str, pa.Array]:
        """The on-demand features that were asked for, of one slice."""
        if not formulas:
            return {}
        operands = [name for name in found.column_names if name.startswith(AS_OPERAND)]
        table = found.select(operands).rename_columns([name.removeprefix(AS_OPERAND) for name in operands])
        values = on_demand(formulas, table, self.rows.instants.slice(first, SLICE))
        asked_for = [reference.split(":", 1) for reference in self._metadata.features]
        return {
            f"{view.projection.name_to_use()}__{name}" if self._full_feature_names else name: values[name]
            for view, _, _ in self.own
            for owner, name in asked_for
            if owner == view.projection.name_to_use()
        }


class SourceJob(StreamedJob):
    """Rows of one source between two instants: all of them, or the last of each key."""

    def __init__(
        self,
        history: History,
        columns: Sequence[str],
        between: tuple[datetime | None, datetime | None],
        only_latest: bool,
        is_build: bool,
        settings: tuple[str, str],
    ) -> None:
        super().__init__(settings)
        self.history, self.columns, self.between = history, columns, between
        self.only_latest, self.is_build = only_latest, is_build

    def to_sql(self) -> str:
        """The query, for DuckDB."""
        with duckdb.connect() as connection:
            return self.query(self.history.types(connection))

    def query(self, types: Mapping[str, str]) -> str:
        """The query over a source of these types."""
        times = {self.history.instant, self.history.created}
        columns = [
            f"{carried(f'source.{quoted(name)}', types[name])} as {quoted(name)}"
            if self.is_build and name not in times
            else f"source.{quoted(name)}"
            for name in dict.fromkeys(self.columns)
        ]
        if not self.history.keys:
            columns.append("'' as __dummy_id")
        first, last = (since_1970(end) if end else None for end in self.between)
        inside = within(f"source.{quoted(self.history.instant)}", types[self.history.instant], first, last)
        rows = f"{self.history.relation} as source"
        if not self.only_latest:
            return f"select {', '.join(columns)} from {rows} where {inside}"
        return f"""
            with last as (
                select {self.latest(types)} as place
                from {rows}
                where {inside}
                group by {", ".join(f"source.{quoted(key)}" for key in self.history.keys) or "()"}
            )

            select {", ".join(columns)}
            from {rows}
            inner join last
                on source.file_index = last.place >> {ROWS_A_FILE}
                    and source.file_row_number = last.place & {(1 << ROWS_A_FILE) - 1}
        """

    def latest(self, types: Mapping[str, str]) -> str:
        """The SQL for the place of a key's last row."""
        history = self.history
        time = microseconds(f"source.{quoted(history.instant)}", types[history.instant])
        if history.is_unique:
            return f"arg_max({PLACE}, {time})"
        created = (
            microseconds(f"source.{quoted(history.created)}", types[history.created])
            if history.created
            else "0"
        )
        order = f"{{'time': {time}, 'created': coalesce({created}, {BEFORE_ALL}), 'place': {PLACE}}}"
        return f"arg_max({PLACE}, {order})"

    def stream(self) -> pa.RecordBatchReader:
        """The rows in the order of the files."""
        connection = duckdb.connect(config={"memory_limit": self.memory_limit})
        connection.execute("set TimeZone = 'UTC'")
        reader = connection.execute(self.query(self.history.types(connection))).to_arrow_reader(SLICE)

        def batches() -> Iterator[pa.RecordBatch]:
            with connection:
                yield from reader

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


def carried(column: str, kind: str) -> str:
    """The SQL for a column in the type Feast carries it in (see ``feature_repo.carried_types``)."""
    base = kind.split("(")[0]
    if base == "DECIMAL":
        return f"{column}::double"
    return f"strftime({column}, '{AS_TEXT[base]}')" if base in AS_TEXT else column


def as_it_is(column: str, kind: str) -> str:
    """A column in its own type."""
    return column


def write_stream(reader: pa.RecordBatchReader, file: Any) -> None:
    """Write batches as they come, in row groups of their size."""
    with pq.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
