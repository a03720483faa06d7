"""The offline store: Feast's queries over Parquet files, run by DuckDB in bounded memory.

It reads the feature folders of builds and any other Parquet ``FileSource``. It follows Feast's documentation,
also where Feast's own stores do not (docs/feast-differences.md). In a build, DECIMAL becomes Float64, and
instants and dates become ISO 8601 text, because Feast's own instants are whole seconds: a value is the same
offline and online. The name of a folder (``shop=x``) is no column, and replaces none.
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
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.types import String
from feast.utils import compute_non_entity_date_range

from ml.common.durable_files import whole_file
from ml.common.errors import FeatureError, RowsError
from ml.common.paths import is_own_plugin, store_path
from ml.common.warnings_filter import silence_known_warnings
from ml.featurestore.offline.historical_job import JoinedView, PointInTimeJob, RequestedFeature
from ml.featurestore.offline.source_job import SourceJob
from ml.featurestore.registry.store import take_turn
from ml.featurestore.retrieval.feast_entity_rows import EntityFrame, EntityRows, entity_rows, rows_between
from ml.featurestore.retrieval.history import NO_EXPIRY, Files, History, files_in, is_in_build
from ml.featurestore.retrieval.retrieve import MEMORY_LIMIT
from ml.home.read_leases import hold


class BuildOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the offline store in ``feature_store.yaml``."""

    type: str = "ml.featurestore.offline.store.BuildOfflineStore"
    memory_limit: str = MEMORY_LIMIT
    """The memory of DuckDB; more goes to a temporary folder."""


class BuildOfflineStore(OfflineStore):
    """Point-in-time values and last rows from Parquet files."""

    supports_filter_by_created_timestamp = True

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Check a source; ``feast apply`` does so before it reads the registry, so its lock is taken here."""
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
            Text is SQL of DuckDB, in which each view's source is a table of the view's name. None means every
            key and instant of the rows from ``start_date`` to ``end_date``.
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
        with keep_builds(*(view.batch_source for view in feature_views)) as keep_while:
            views = [
                joined_view(config, view, feature_refs, full_feature_names, filter_by_created_timestamp)
                for view in feature_views
            ]
            if entity_df is None:
                ends = compute_non_entity_date_range(feature_views, start_date=start_date, end_date=end_date)
                histories = [(view.history, view.entity_columns) for view in views]
                rows = rows_between(histories, ends[0], ends[1], config.offline_store.memory_limit)
            else:
                sources = {view.name: view.history for view in views}
                rows = entity_rows(entity_df, sources, config.offline_store.memory_limit)
            check_keys(rows, views)
            first, last = rows.range if entity_df is not None else ends
            job = PointInTimeJob(
                rows,
                views,
                OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
                full_feature_names,
                RetrievalMetadata(feature_refs, rows.keys, first, last),
                settings(config),
            )
            return keep_while(job)

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
        """Every row between two instants, both included; None is no limit."""
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
        """Append rows to a source: as a new file in its folder, or by replacing its one file.

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
def keep_builds(*sources: DataSource | None) -> Iterator[Callable[[RetrievalJob], RetrievalJob]]:
    """Hold leases on the builds of ``sources``; the job that is passed to the result holds them from then on.

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

        def keep_while(job: RetrievalJob) -> RetrievalJob:
            weakref.finalize(job, stack.pop_all().close)
            return job

        yield keep_while


def settings(config: RepoConfig) -> tuple[str, str]:
    """The memory limit, and the folder that relative paths are taken from."""
    return config.offline_store.memory_limit, str(config.repo_path)


def is_build(source: DataSource | None) -> bool:
    """Whether a source is a feature folder of a build: ``builds/<build>/features/<model>``."""
    return isinstance(source, FileSource) and is_in_build(source.path)


def path_of(config: RepoConfig, source: DataSource | None) -> str:
    """The path of a source's files.

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
    config: RepoConfig,
    view: FeatureView,
    references: Sequence[str],
    full_names: bool,
    known_when_created: bool,
) -> JoinedView:
    """One feature view of a retrieval: its rows, and the requested features."""
    view_name, source = view.projection.name_to_use(), view.batch_source
    prefix = f"{view.projection.name_alias or view.name}__" if full_names else ""
    names = [
        name for owner, name in (reference.split(":", 1) for reference in references) if owner == view_name
    ]
    join_keys = [key for key in view.join_keys if key != DUMMY_ENTITY_ID]
    entity_columns = [view.projection.join_key_map.get(key, key) for key in join_keys]
    history = History(
        files=Files(path_of(config, source)),
        keys=[file_column(source, key) for key in join_keys],
        instant=file_column(source, source.timestamp_field),
        created=file_column(source, source.created_timestamp_column)
        if source.created_timestamp_column
        else None,
        lifetime=view.ttl or NO_EXPIRY,
        known_when_created=known_when_created,
        is_unique=is_build(source),
    )
    types = {field.name: field.dtype for field in view.features}
    features = [
        RequestedFeature(f"{prefix}{name}", name, file_column(source, name), types.get(name) == String)
        for name in names
    ]
    return JoinedView(view_name, history, entity_columns, features)


def file_column(source: DataSource, name: str) -> str:
    """The column in the files whose name in Feast is ``name``."""
    return next((column for column, mapped in source.field_mapping.items() if mapped == name), name)


def check_keys(rows: EntityRows, views: Sequence[JoinedView]) -> None:
    """Refuse entity rows without a key, or with a column that a feature would hide.

    Raises
    ------
    RowsError
    """
    for view in views:
        for name in view.entity_columns:
            if name not in rows.table.column_names:
                raise RowsError(f"the entity rows have no column {name}, which {view.name} is asked by")
        for feature in view.features:
            if feature.name in rows.table.column_names:
                raise RowsError(
                    f"the entity rows already have a column {feature.name}: rename it, it is a feature"
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
    join_keys = [key for key in keys if key != DUMMY_ENTITY_ID]
    with keep_builds(source) as keep_while:
        history = History(
            Files(path_of(config, source)), join_keys, instant, created, is_unique=is_build(source)
        )
        # Feast's transformations name no feature, and mean every column.
        columns = [*join_keys, *features, instant, *([created] if created else [])] if features else []
        return keep_while(
            SourceJob(history, columns, between, only_latest, is_build(source), settings(config))
        )


def append(path: str, table: pa.Table) -> None:
    """Add rows to a folder of Parquet files or to one file; readers see all of them or none.

    Raises
    ------
    FeatureError
        The source is a pattern, which gives a new file no name, or does not exist.
    ValueError
        The columns are not those of the source.
    """
    if not Path(path).exists():
        raise FeatureError(f"no file or folder is called {path}: rows are added to one that is there")
    schema = pq.read_schema(files_in(path)[0])
    if set(table.column_names) != set(schema.names):
        raise ValueError(f"rows have the columns {table.column_names}, but the source has {schema.names}")
    rows = table.select(schema.names).cast(schema.remove_metadata())
    target = Path(path)
    if target.is_dir():
        with whole_file(target / f"{uuid4().hex}.parquet") as file:
            pq.write_table(rows, file)
        return
    with whole_file(target) as file, pq.ParquetWriter(file, rows.schema) as writer:
        for batch in pq.ParquetFile(target).iter_batches():
            writer.write_batch(batch.cast(rows.schema))
        writer.write_table(rows)
