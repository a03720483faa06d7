"""A job of the offline store: it runs when asked for its rows, and streams them.

A job can be run again. Nothing of its answer is kept between runs, and a streamed answer never is in memory
as a whole.
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

from ml.common.disk import replace_folder, whole_file
from ml.common.errors import FeatureError


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

        What was there before is replaced when all rows are written, as ``ml.common.disk`` says. A killed
        process may leave a file or folder whose name begins with a dot, which no reader takes for rows.

        Raises
        ------
        SavedDatasetLocationAlreadyExists
            Something is there already; with ``allow_overwrite`` it is replaced.
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
            made, there = ("file", "folder") if is_file else ("folder", "file")
            raise FeatureError(
                f"a {made} cannot take the place of the {there} {path}: remove it, or choose another path "
                "(one that ends in .parquet is of a file, any other of a folder)"
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


def write_stream(reader: pa.RecordBatchReader, file: Any) -> None:
    """Write batches as they come, in row groups of their size."""
    with pq.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
