"""The offline store: Feast's questions about Parquet files, answered by DuckDB in bounded memory.

Reads the feature folders of builds and any other Parquet ``FileSource``. What Feast documents holds here,
also where its own stores differ (docs/feast-differences.md). Of a build, DECIMAL comes as Float64, instants
and dates as ISO 8601 text, for Feast's own instants are whole seconds: a value is the same offline and
online. What a folder is called (``shop=x``) is no column, and takes no column's place.
"""

import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from feast import FeatureView, OnDemandFeatureView
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.types import String
from feast.utils import compute_non_entity_date_range

from ml.common.disk import whole_file
from ml.common.errors import FeatureError, RowsError
from ml.common.paths import is_own_plugin, store_path
from ml.common.warnings_filter import silence_known_warnings
from ml.featurestore.offline.historical_job import Joined, PointInTimeJob, Wanted
from ml.featurestore.offline.source_job import SourceJob
from ml.featurestore.registry.store import take_turn
from ml.featurestore.retrieval.entity_rows import EntityFrame, EntityRows, entity_rows, rows_between
from ml.featurestore.retrieval.history import NO_LIMIT, Files, History, files_in, is_in_build
from ml.featurestore.retrieval.retrieve import MEMORY_LIMIT
from ml.home.leases import hold

NOBODY = "__dummy_id"


class BuildOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the offline store in ``feature_store.yaml``."""

    type: str = "ml.featurestore.offline.store.BuildOfflineStore"
    memory_limit: str = MEMORY_LIMIT
    """What DuckDB may hold in memory; more goes to a temporary folder."""


class BuildOfflineStore(OfflineStore):
    """Point-in-time values and last rows from Parquet files."""

    supports_filter_by_created_timestamp = True

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Check a source; ``feast apply`` does so before it reads the registry, so here it waits its turn."""
        if is_own_plugin(config.registry.registry_store_type):
            take_turn(store_path(config.registry.path, config.repo_path).parent)
        super().validate_data_source(config, data_source)

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: EntityFrame | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        **_: Any,
    ) -> RetrievalJob:
        """Features at the instant of each entity row; same rows, same order, duplicates kept.

        Parameters
        ----------
        entity_df : DataFrame, Table, RecordBatchReader, str or None
            Text is SQL of DuckDB's, in which the sources of the views are tables by the views' names. None
            asks about every key and instant at which a row begins from ``start_date`` to ``end_date``.
        filter_by_created_timestamp : bool
            Whether rows count only from when they were written.
        start_date, end_date : datetime, optional
            Only without entity rows; both ends count. Default: now, and the longest lifetime or 30 days
            before.

        Raises
        ------
        FeatureError
            A file cannot be read, or the entity rows make no sense.
        """
        silence_known_warnings()
        with holding(*(view.batch_source for view in feature_views)) as held:
            joined = [
                joined_view(config, view, feature_refs, full_feature_names, filter_by_created_timestamp)
                for view in feature_views
            ]
            if entity_df is None:
                ends = compute_non_entity_date_range(feature_views, start_date=start_date, end_date=end_date)
                asked = [(one.history, one.asked_by) for one in joined]
                rows = rows_between(asked, ends[0], ends[1], config.offline_store.memory_limit)
            else:
                sources = {one.name: one.history for one in joined}
                rows = entity_rows(entity_df, sources, config.offline_store.memory_limit)
            check_keys(rows, joined)
            first, last = rows.range if entity_df is not None else ends
            job = PointInTimeJob(
                rows,
                joined,
                OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
                full_feature_names,
                RetrievalMetadata(feature_refs, rows.keys, first, last),
                settings(config),
            )
            return held(job)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The last row of each key between two instants, both included."""
        between = (start_date, end_date)
        return source_job(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            between,
            only_latest=True,
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Every row between two instants, both included; without one there is no end."""
        between = (start_date, end_date)
        return source_job(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            between,
            only_latest=False,
        )

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append rows to a source: a file of their own in its folder, or its one file written anew.

        Raises
        ------
        FeatureError
            The source is of a build, which is never changed.
        ValueError
            The columns are not those of the source.
        """
        source = feature_view.batch_source
        if is_build(source):
            raise FeatureError(
                f"{feature_view.name} comes from a build, which never changes: run 'churn build'"
            )
        append(path_of(config, source), table)
        if progress:
            progress(len(table))

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Append logs, a table or a folder of Parquet files, to their destination folder."""
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise TypeError(f"logs go to files here, not to a {type(destination).__name__}")
        rows = ds.dataset(data) if isinstance(data, Path) else data
        ds.write_dataset(
            rows,
            FileSource.get_uri_for_file_path(config.repo_path, destination.path),
            format="parquet",
            basename_template=f"{uuid4().hex}-{{i}}.parquet",
            partitioning=destination.partition_by or None,
            existing_data_behavior="overwrite_or_ignore",
        )


@contextmanager
def holding(*sources: DataSource | None) -> Iterator[Callable[[RetrievalJob], RetrievalJob]]:
    """Keep the builds of ``sources`` from being removed; the job that is handed in keeps them from then on.

    Raises
    ------
    FeatureError
        A build was removed after newer ones had been published.
    """
    with ExitStack() as stack:
        for build in {Path(source.path).parents[1] for source in sources if source and is_build(source)}:
            handle = hold(build)
            if handle is None:
                raise FeatureError(f"{build} is no longer there: run 'feast apply' to register a later build")
            stack.callback(os.close, handle)

        def held(job: RetrievalJob) -> RetrievalJob:
            weakref.finalize(job, stack.pop_all().close)
            return job

        yield held


def settings(config: RepoConfig) -> tuple[str, str]:
    """The memory limit, and the folder that relative paths are taken from."""
    return config.offline_store.memory_limit, str(config.repo_path)


def is_build(source: DataSource | None) -> bool:
    """Whether a source is a feature folder of a build: ``builds/<build>/features/<model>``."""
    return isinstance(source, FileSource) and is_in_build(source.path)


def path_of(config: RepoConfig, source: DataSource | None) -> str:
    """Where a source's files are.

    Raises
    ------
    TypeError
        It is no Parquet file.
    """
    if not isinstance(source, FileSource) or type(source.file_format).__name__ not in (
        "ParquetFormat",
        "NoneType",
    ):
        name = getattr(source, "name", None)
        raise TypeError(f"data source {name} is not of Parquet files: this offline store reads no other")
    return FileSource.get_uri_for_file_path(config.repo_path, source.path)


def joined_view(
    config: RepoConfig, view: FeatureView, references: Sequence[str], full_names: bool, known: bool
) -> Joined:
    """One feature view of a retrieval: its rows, and what is wanted of them."""
    used_as, source = view.projection.name_to_use(), view.batch_source
    prefix = f"{view.projection.name_alias or view.name}__" if full_names else ""
    names = [
        name for owner, name in (reference.split(":", 1) for reference in references) if owner == used_as
    ]
    asked_by = {key: view.projection.join_key_map.get(key, key) for key in view.join_keys if key != NOBODY}
    history = History(
        files=Files(path_of(config, source)),
        keys=[in_files(source, key) for key in asked_by],
        instant=in_files(source, source.timestamp_field),
        created=in_files(source, source.created_timestamp_column)
        if source.created_timestamp_column
        else None,
        lifetime=view.ttl or NO_LIMIT,
        known_when_created=known,
        is_unique=is_build(source),
    )
    types = {field.name: field.dtype for field in view.features}
    wanted = [
        Wanted(f"{prefix}{name}", name, in_files(source, name), types.get(name) == String) for name in names
    ]
    return Joined(used_as, history, list(asked_by.values()), wanted)


def in_files(source: DataSource, name: str) -> str:
    """The column of a source that Feast knows by ``name``."""
    return next((column for column, mapped in source.field_mapping.items() if mapped == name), name)


def check_keys(rows: EntityRows, joined: Sequence[Joined]) -> None:
    """Refuse entity rows without a key, or with a column that a feature would hide.

    Raises
    ------
    RowsError
    """
    for one in joined:
        for name in one.asked_by:
            if name not in rows.table.column_names:
                raise RowsError(f"the entity rows have no column {name}, which {one.name} is asked by")
        for wanted in one.wanted:
            if wanted.name in rows.table.column_names:
                raise RowsError(
                    f"the entity rows already have a column {wanted.name}: rename it, it is a feature"
                )


def source_job(
    config: RepoConfig,
    source: DataSource,
    keys: Sequence[str],
    features: Sequence[str],
    instant: str,
    created: str | None,
    between: tuple[datetime | None, datetime | None],
    only_latest: bool,
) -> RetrievalJob:
    """Rows of one source."""
    own = [key for key in keys if key != NOBODY]
    with holding(source) as held:
        history = History(Files(path_of(config, source)), own, instant, created, is_unique=is_build(source))
        # Feast's transformations ask for no feature by name, and mean every column.
        columns = [*own, *features, instant, *([created] if created else [])] if features else []
        return held(SourceJob(history, columns, between, only_latest, is_build(source), settings(config)))


def append(path: str, table: pa.Table) -> None:
    """Add rows to a folder of Parquet files or to one file; whoever reads sees all of them or none.

    Raises
    ------
    FeatureError
        The source is a pattern, which tells no new file its name, or nothing is there.
    ValueError
        The columns are not those of the source.
    """
    if not Path(path).exists():
        raise FeatureError(f"no file or folder is called {path}: rows are added to one that is there")
    present = pq.read_schema(files_in(path)[0])
    if set(table.column_names) != set(present.names):
        raise ValueError(f"rows have the columns {table.column_names}, but the source has {present.names}")
    rows = table.select(present.names).cast(present.remove_metadata())
    place = Path(path)
    if place.is_dir():
        with whole_file(place / f"{uuid4().hex}.parquet") as file:
            pq.write_table(rows, file)
        return
    with whole_file(place) as file, pq.ParquetWriter(file, rows.schema) as writer:
        for batch in pq.ParquetFile(place).iter_batches():
            writer.write_batch(batch.cast(rows.schema))
        writer.write_table(rows)
