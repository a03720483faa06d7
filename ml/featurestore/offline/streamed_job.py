"""A job of the offline store: it runs when its rows are read, and streams them.

A job can run again. It stores no result between runs, and a streamed result is never in memory as a whole.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from feast import OnDemandFeatureView
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.saved_dataset import SavedDatasetStorage
from feast.types import from_feast_to_pyarrow_type

from ml.common.durable_files import replace_folder, whole_file
from ml.common.errors import FeatureError


class StreamedJob(RetrievalJob):
    """A job whose rows come as a stream."""

    def __init__(self, settings: tuple[str, str]) -> None:
        self.memory_limit, self.repo_path = settings

    def stream(self) -> pa.RecordBatchReader:
        """The rows, before the on-demand features that Feast computes."""
        raise NotImplementedError

    def to_arrow_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream.

        On-demand features are computed by slices, so those that depend on other rows (ranks, averages) need
        ``to_arrow``; they have the types that their views declare.
        """
        stream = self.stream()
        if not self.on_demand_feature_views:
            return stream
        first_batches = [batch for batch in [next(stream, None)] if batch is not None]
        first = self.with_on_demand(pa.Table.from_batches(first_batches, stream.schema))
        schema = self.declared_schema(first.schema, stream.schema.names)

        def batches() -> Iterator[pa.RecordBatch]:
            yield from first.cast(schema).to_batches()
            for batch in stream:
                yield from self.with_on_demand(pa.Table.from_batches([batch])).cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, batches())

    def declared_schema(self, schema: pa.Schema, stored: Sequence[str]) -> pa.Schema:
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

    def with_on_demand(self, table: pa.Table) -> pa.Table:
        """Rows with the on-demand features that Feast adds."""
        return TableJob(table, self).to_arrow()

    def to_parquet(self, path: str | Path) -> None:
        """Stream the rows to a Parquet file, which appears when it is whole."""
        with (
            self.to_arrow_reader() as reader,
            whole_file(Path(path)) as file,
            pq.ParquetWriter(file, reader.schema) as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None
    ) -> None:
        """Write the rows to a file, or to a folder when the path does not end in ``.parquet``.

        An old file or folder is replaced after all rows are written (``ml.common.durable_files``). A killed
        process may leave a file or folder whose name begins with a dot, which readers ignore.

        Raises
        ------
        SavedDatasetLocationAlreadyExists
            The path exists; with ``allow_overwrite`` it is replaced.
        FeatureError
            A file would have to replace a folder, or a folder a file.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise TypeError(f"this offline store writes files, not to a {type(storage).__name__}")
        path = Path(FileSource.get_uri_for_file_path(self.repo_path, storage.file_options.uri))
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        is_file = path.suffix == ".parquet"
        if path.exists() and path.is_file() != is_file:
            new_kind, old_kind = ("file", "folder") if is_file else ("folder", "file")
            raise FeatureError(
                f"a {new_kind} cannot take the place of the {old_kind} {path}: remove it, or choose another "
                "path (one that ends in .parquet is of a file, any other of a folder)"
            )
        if is_file:
            return self.to_parquet(path)
        path = path.resolve()
        fresh = path.with_name(f".{path.name}-{uuid4().hex}")
        fresh.mkdir(parents=True)
        try:
            self.to_parquet(fresh / "part-0.parquet")
            replace_folder(fresh, path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

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


class TableJob(RetrievalJob):
    """A job over a table in memory, for Feast to add on-demand features to."""

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
