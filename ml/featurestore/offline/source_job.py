"""The job behind Feast's pulls: rows of one source between two instants, all of them or each key's last."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime

import duckdb
import pyarrow as pa

from ml.common.duckdb_engine import Engine, within_memory
from ml.common.sql import quoted
from ml.featurestore.feast_types import carried
from ml.featurestore.offline.streamed_job import StreamedJob
from ml.featurestore.retrieval.history import (
    BEFORE_ALL,
    PLACE,
    ROWS_A_FILE,
    History,
    in_full,
    since_1970,
    within,
)
from ml.featurestore.retrieval.join import readable
from ml.featurestore.retrieval.retrieve import SLICE


class SourceJob(StreamedJob):
    """Rows of one source between two instants: all of them, or the last of each key.

    No columns stand for every one.
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
            f"{carried(f'source.{quoted(name)}', types[name])} as {quoted(name)}"
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
        time = in_full(f"source.{quoted(history.instant)}", types[history.instant])
        if history.is_unique:
            return f"arg_max({PLACE}, {time})"
        created = (
            in_full(f"source.{quoted(history.created)}", types[history.created]) if history.created else "0"
        )
        order = f"{{'time': {time}, 'created': coalesce({created}, {BEFORE_ALL}), 'place': {PLACE}}}"
        return f"arg_max({PLACE}, {order})"

    def stream(self) -> pa.RecordBatchReader:
        """The rows in the order of the files."""
        with ExitStack() as undone:
            engine = Engine(self.memory_limit)
            undone.callback(engine.close)
            with self.told():
                query = self.query(self.history.types(engine.connection))
                reader = engine.connection.execute(query).to_arrow_reader(SLICE)
            undone.pop_all()

        def batches() -> Iterator[pa.RecordBatch]:
            # With this job, which holds it, the build stays until its rows are read.
            with engine, self.told():
                yield from reader

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say in one sentence why the source cannot be read."""
        with within_memory(self.memory_limit), readable(self.history, "read"):
            yield
