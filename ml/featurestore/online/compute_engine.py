"""Materialization: the state as of the end instant, all views in one step.

``feast materialize`` and ``feast materialize-incremental`` call this engine, with tasks of (view, start,
end). Feast's own engine reads rows from the start on, so a customer whose last change is older never gets
online. This one starts where the content of the store ends, or at the beginning of time; it finds late rows
by the files that were added. A whole load goes to a table aside, in batches that a killed run need not
repeat; added rows are written in the transaction of the swap.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine, LocalComputeEngineConfig
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry

from ml.featurestore.feast_objects import BEGINNING
from ml.featurestore.increments import changed_since
from ml.featurestore.offline.store import keep_builds
from ml.featurestore.offline.view_source import Source, source_of
from ml.featurestore.online.arrow_rows import rows_of
from ml.featurestore.online.feast_rows import feast_rows, feast_rows_of_pull, pull_latest
from ml.featurestore.online.last_rows import RowSelection, last_rows
from ml.featurestore.online.read_files import added_since
from ml.featurestore.online.store import WholeRowOnlineStore
from ml.featurestore.online.value_kinds import kinds

ROWS_PER_WRITE = 10_000  # Feast's messages of one write stay within tens of megabytes
# Beyond this share of the keys of a view, a new table is quicker than changing the old one; up to the second
# number of keys, either takes less than a second.
CHANGED_SHARE_MAX = 0.2
CHANGED_KEYS_MIN = 1_000


class StateAtComputeEngineConfig(LocalComputeEngineConfig):
    """Settings of the engine in ``feature_store.yaml``: none but its type."""

    type: str = "ml.featurestore.online.compute_engine.StateAtComputeEngine"


@dataclass(frozen=True)
class ViewLoad:
    """The load of one view: the whole state, or rows since an instant and of changed keys.

    Parameters
    ----------
    view : FeatureView
    source : Source
    until : datetime
        The as-of instant of the load, UTC.
    since : datetime or None
        The instant from which rows are added; None for the whole state.
    changed_files : tuple of str
        Parquet files of the keys whose rows up to ``since`` changed too.
    fingerprint : dict
        ``Source.fingerprint`` before the source is read.
    """

    view: FeatureView
    source: Source
    until: datetime
    since: datetime | None = None
    changed_files: tuple[str, ...] = ()
    fingerprint: dict[str, Any] = field(default_factory=dict)

    @property
    def selection(self) -> RowSelection:
        """The rows to read."""
        since = self.since.replace(tzinfo=None) if self.since else None
        return RowSelection(self.until.replace(tzinfo=None), since, self.changed_files)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What two equal loads have in common."""
        return self.view.name, self.fingerprint, self.until, self.since, self.changed_files


@dataclass(frozen=True)
class AddedRows:
    """An addition to a view: keys to delete first, and rows."""

    forgotten: list[tuple[Any, ...]]
    batches: list[pa.RecordBatch]


class StateAtComputeEngine(LocalComputeEngine):
    """Writes to the online store the last row at or before the end instant, of every customer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_exact = False
        """Whether views become exactly their source, without pushed rows."""
        self.rewrites_all = False
        """Whether every row is written, even if the changed ones would suffice."""
        self.on_progress: Callable[[str, int, int], None] = lambda view, done, total: None
        """Called with the name of a view, the number of rows written, and of all rows."""
        self.counts: dict[str, tuple[int, int]] = {}
        """View -> customers and rows of the last whole load."""
        self._prepared: list[tuple[ViewLoad, AddedRows | None]] = []

    @property
    def supports_batch(self) -> bool:
        """Feast passes all views together, so that one transaction can write them."""
        return True

    def materialize(
        self, registry: BaseRegistry, tasks: MaterializationTask | list[MaterializationTask], **kwargs: Any
    ) -> list[LocalMaterializationJob]:
        """Write every task or none; readers see the state before until all is written."""
        tasks = [tasks] if isinstance(tasks, MaterializationTask) else tasks
        if not isinstance(self.online_store, WholeRowOnlineStore):
            return [self._into_another_store(task) for task in tasks]
        with (
            self.online_store.alone(self.repo_config),
            keep_builds(*(task.feature_view.batch_source for task in tasks)),
        ):
            self._write(registry, tasks)
        registry.refresh(self.repo_config.project)
        return [finished_job(task) for task in tasks]

    def prepare(self, views: Iterable[FeatureView], until: datetime) -> None:
        """Do the slow part of materializing ``views`` as of ``until``, before readers see any of it."""
        views = list(views)
        with keep_builds(*(view.batch_source for view in views)):
            loads = [self._plan(view, BEGINNING, until) for view in views]
            self._prepared = [self._prepare(load) for load in loads if load]

    def _write(self, registry: BaseRegistry, tasks: list[MaterializationTask]) -> None:
        store, config = self.online_store, self.repo_config
        loads = [(task, self._plan(task.feature_view, task.start_time, task.end_time)) for task in tasks]
        prepared = [(task, self._prepared_load(load) if load else None) for task, load in loads]
        with store.transaction(config):
            for task, result in prepared:
                view, until = task.feature_view, task.end_time.astimezone(UTC)
                watermark = store.watermark(config, view)
                if result is None:
                    self._write_rows_of_feast(registry, task)
                elif result[1] is None:
                    store.swap(config, view, with_pushed=not self.is_exact)
                else:
                    self._add(view, result[1])
                store.mark(config, view, until if self.is_exact else max(until, watermark or BEGINNING))
                if result and not result[0].source.is_build:
                    store.note_files(config, view, result[0].fingerprint)
        self._prepared = []
        store.tidy(config)

    def _plan(self, view: FeatureView, start: datetime, end: datetime) -> ViewLoad | None:
        """The load of a task; None if Feast has to read its source."""
        store, source = self.online_store, source_of(self.repo_config, view)
        if source is None:
            return None
        materialized = store.materialized(self.repo_config, view)
        start, until = start.astimezone(UTC), end.astimezone(UTC)
        whole = ViewLoad(view, source, until, fingerprint=source.fingerprint)
        if materialized is None or self.rewrites_all or not store.fits(self.repo_config, view):
            return whole
        old_source, since = materialized
        is_same = old_source == view.batch_source.path
        if self.is_exact and (
            until < since or (is_same and until == since) or store.has_pushed(self.repo_config, view)
        ):
            return whole
        if is_same:
            whole = replace(whole, until=max(until, since))
            start = since if self.is_exact else min(start, since)
            return replace(whole, since=start) if source.is_build else self._plan_for_files(whole, start)
        changed_files = (
            changed_since(Path(old_source), Path(view.batch_source.path), since) if source.is_build else None
        )
        if changed_files is None or until < since:
            return whole
        return replace(whole, since=since, changed_files=tuple(changed_files))

    def _plan_for_files(self, whole: ViewLoad, start: datetime) -> ViewLoad:
        """The load of a source whose files may have changed since it was loaded."""
        before = self.online_store.files_read(self.repo_config, whole.view)
        new_files = added_since(before, whole.fingerprint)
        if new_files is None or not whole.source.keys or whole.source.history.is_mixed:
            return whole
        return replace(whole, since=start, changed_files=tuple(new_files))

    def _prepared_load(self, load: ViewLoad) -> tuple[ViewLoad, AddedRows | None]:
        """The load prepared before, if it is the same, or prepared now."""
        for prepared, added in self._prepared:
            if prepared.identity == load.identity:
                return prepared, added
        return self._prepare(load)

    def _prepare(self, load: ViewLoad) -> tuple[ViewLoad, AddedRows | None]:
        """Read the rows to add, or write the whole state aside if there are too many."""
        if load.since is not None:
            with last_rows(load.source, load.selection) as rows:
                most_changed = CHANGED_SHARE_MAX * self.online_store.count(self.repo_config, load.view)
                if rows.count()[0] <= max(most_changed, CHANGED_KEYS_MIN):
                    return load, AddedRows(rows.changed_keys(), list(rows.batches()))
            load = replace(load, since=None, changed_files=())
        self._load(load)
        return load, None

    def _load(self, load: ViewLoad) -> None:
        """Write the whole state of a view aside; continue a killed run of the same load."""
        store, config, view = self.online_store, self.repo_config, load.view
        fingerprint = load.fingerprint | {"until": load.until.isoformat()}
        progress = store.resume(config, view, fingerprint)
        if progress["whole"]:
            self.on_progress(view.name, progress["rows"], progress["rows"])
            return
        written = progress["rows"]
        selection = RowSelection(load.until.replace(tzinfo=None), after=progress["last"])
        with last_rows(load.source, selection) as rows:
            keys, row_count = rows.count()
            if not written:
                self.counts[view.name] = (keys, row_count)
            total = written + keys
            for batch in rows.batches():
                store.load(config, view, rows_of(batch, view))
                written += batch.num_rows
                self.on_progress(view.name, written, total)
        store.finish_load(config, view, total)

    def _add(self, view: FeatureView, added: AddedRows) -> None:
        """Write the added rows of a view."""
        store, config = self.online_store, self.repo_config
        total, written = sum(batch.num_rows for batch in added.batches), 0
        store.forget(config, view, added.forgotten)
        for batch in added.batches:
            store.write(config, view, rows_of(batch, view))
            written += batch.num_rows
            self.on_progress(view.name, written, total)

    def _write_rows_of_feast(self, registry: BaseRegistry, task: MaterializationTask) -> None:
        """Write a view whose rows Feast has to compute: aggregated, transformed, or not local files."""
        watermark = self.online_store.watermark(self.repo_config, task.feature_view)
        if type(task.feature_view) is not FeatureView:
            job = super()._materialize_one(registry, task if watermark else from_first_interval(task))
            if job.error():
                raise job.error()
            return
        start = min(task.start_time, watermark) if watermark else BEGINNING
        self._write_in_feasts_form(task, start)

    def _into_another_store(self, task: MaterializationTask) -> LocalMaterializationJob:
        """Write the last rows at or before the end instant into a store of Feast's such as Redis.

        All are converted before the first is written, as far as that can fail.
        """
        view, source = task.feature_view, source_of(self.repo_config, task.feature_view)
        if source is None:
            self._write_in_feasts_form(task, BEGINNING)
            return finished_job(task)
        until = task.end_time.astimezone(UTC).replace(tzinfo=None)
        with keep_builds(view.batch_source), last_rows(source, RowSelection(until)) as rows:
            batches = list(rows.batches())
        for batch in batches if any(kind.field is None for kind in kinds(view).values()) else ():
            rows_of(batch, view)
        for batch in batches:
            self.online_store.online_write_batch(self.repo_config, view, list(feast_rows(batch, view)), None)
        return finished_job(task)

    def _write_in_feasts_form(self, task: MaterializationTask, start: datetime) -> None:
        view, config = task.feature_view, self.repo_config
        table = pull_latest(self.offline_store, config, view, start, task.end_time)
        for batch in table.to_batches(max_chunksize=ROWS_PER_WRITE):
            self.online_store.online_write_batch(config, view, list(feast_rows_of_pull(batch, view)), None)


def from_first_interval(task: MaterializationTask) -> MaterializationTask:
    """The task from the first interval in the registry on, because a new store has none of those rows."""
    starts = [start for start, _ in task.feature_view.materialization_intervals]
    return replace(task, start_time=min([task.start_time, *starts]))


def finished_job(task: MaterializationTask) -> LocalMaterializationJob:
    return LocalMaterializationJob(
        job_id=f"{task.feature_view.name}-{task.end_time.isoformat()}",
        status=MaterializationJobStatus.SUCCEEDED,
    )
