"""The job behind Feast's pulls: rows of one source between two instants, all of them or each key's last."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime

import duckdb
import pyarrow as pa

from ml.common.duckdb_engine import Engine, within_memory
from ml.common.sql import quoted
from ml.featurestore.feast_types import feast_sql
from ml.featurestore.offline.streamed_job import StreamedJob
from ml.featurestore.retrieval.history import (
    BEFORE_ALL,
    POSITION,
    ROW_BITS,
    History,
    in_full,
    since_1970,
    within,
)
from ml.featurestore.retrieval.join import read_errors
from ml.featurestore.retrieval.retrieve import SLICE_ROWS


class SourceJob(StreamedJob):
    """Rows of one source between two instants: all of them, or the last of each key.

    An empty list of columns means every column.
    """

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
        self.history.check_columns("the source", [*self.history.keys, *self.columns], types)
        times = {self.history.instant, self.history.created}
        columns = [
            f"{feast_sql(f'source.{quoted(name)}', types[name])} as {quoted(name)}"
            if self.is_build and name not in times
            else f"source.{quoted(name)}"
            for name in dict.fromkeys(self.columns or types)
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
                select {self.latest(types)} as position
                from {rows}
                where {inside}
                group by {", ".join(f"source.{quoted(key)}" for key in self.history.keys) or "()"}
            )

            select {", ".join(columns)}
            from {rows}
            inner join last
                on source.file_index = last.position >> {ROW_BITS}
                    and source.file_row_number = last.position & {(1 << ROW_BITS) - 1}
        """

    def latest(self, types: Mapping[str, str]) -> str:
        """The SQL for the position of a key's last row."""
        history = self.history
        time = in_full(f"source.{quoted(history.instant)}", types[history.instant])
        if history.is_unique:
            return f"arg_max({POSITION}, {time})"
        created = (
            in_full(f"source.{quoted(history.created)}", types[history.created]) if history.created else "0"
        )
        order = f"{{'time': {time}, 'created': coalesce({created}, {BEFORE_ALL}), 'position': {POSITION}}}"
        return f"arg_max({POSITION}, {order})"

    def stream(self) -> pa.RecordBatchReader:
        """The rows in the order of the files."""
        with ExitStack() as cleanup:
            engine = Engine(self.memory_limit)
            cleanup.callback(engine.close)
            with self._read_errors():
                query = self.query(self.history.types(engine.connection))
                reader = engine.connection.execute(query).to_arrow_reader(SLICE_ROWS)
            cleanup.pop_all()

        def batches() -> Iterator[pa.RecordBatch]:
            # The job holds the lease of the build; this closure holds the job until its rows are read.
            with engine, self._read_errors():
                yield from reader

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    @contextmanager
    def _read_errors(self) -> Iterator[None]:
        """Turn an error into a sentence that says why the source cannot be read."""
        with within_memory(self.memory_limit), read_errors(self.history, "read"):
            yield
