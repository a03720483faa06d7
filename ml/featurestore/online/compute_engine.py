"""Materialization: the state that holds at the end instant, all views in one step.

``feast materialize`` and ``feast materialize-incremental`` end here, with tasks of (view, start, end).
Feast's own engine takes the start at its word, so a customer whose last change is older never gets online.
This one starts where the store's content ends, or at the beginning of time; rows that came late are found by
the files that were added. What has to be written anew is written aside, in batches that a killed run need not
repeat; what is added goes in with the swap.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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

from ml.common.errors import FeatureError
from ml.featurestore.feast_objects import BEGINNING
from ml.featurestore.increments import changed_since, is_build
from ml.featurestore.offline.view_source import Source, source_of
from ml.featurestore.online import read_files
from ml.featurestore.online.arrow_rows import rows_of
from ml.featurestore.online.feast_rows import kept_rows, pulled, pulled_rows
from ml.featurestore.online.last_rows import Wanted, last_rows
from ml.featurestore.online.store import WholeRowOnlineStore
from ml.featurestore.online.value_kinds import kinds
from ml.home.leases import hold

ROWS_A_WRITE = 10_000
# Beyond this share of the keys a view holds, a new table is quicker than changing the old one.
CHANGED_SHARE_MAX = 0.2
CHANGED_ALWAYS = 1_000


class StateAtComputeEngineConfig(LocalComputeEngineConfig):
    """Settings of the engine in ``feature_store.yaml``: none but its type."""

    type: str = "ml.featurestore.online.compute_engine.StateAtComputeEngine"


@dataclass(frozen=True)
class Work:
    """What one view needs: everything anew, or the rows since an instant and of some keys.

    Parameters
    ----------
    view : FeatureView
    source : Source
    until : datetime
        The instant as of which the view will be, UTC.
    since : datetime or None
        The instant from which rows are added; None when everything is written anew.
    again : tuple of str
        Parquet files of the keys whose rows up to ``since`` changed too.
    said : dict
        What the source says of itself, before it is read.
    """

    view: FeatureView
    source: Source
    until: datetime
    since: datetime | None = None
    again: tuple[str, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        """The rows to read."""
        since = self.since.replace(tzinfo=None) if self.since else None
        return Wanted(self.until.replace(tzinfo=None), since, self.again)

    @property
    def name(self) -> tuple[Any, ...]:
        """What tells this work from other work."""
        return self.view.name, self.said, self.until, self.since, self.again


@dataclass(frozen=True)
class Added:
    """What goes into a view beside what is there: keys to forget first, and rows."""

    forgotten: list[tuple[Any, ...]]
    batches: list[pa.RecordBatch]


class StateAtComputeEngine(LocalComputeEngine):
    """Writes to the online store the last row at or before the end instant, of every customer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.exactly = False
        """Whether views become what their source says, and nothing that was pushed stays."""
        self.anew = False
        """Whether every row is written, even where the changed ones would do."""
        self.told: Callable[[str, int, int], None] = lambda view, done, total: None
        """Called with a view's name, the rows written of it and how many there are."""
        self.counted: dict[str, tuple[int, int]] = {}
        """View -> customers and rows of the last whole load."""
        self._ready: list[tuple[Work, Added | None]] = []

    @property
    def supports_batch(self) -> bool:
        """Feast hands over all views at once, so that they can be written in one transaction."""
        return True

    def materialize(
        self, registry: BaseRegistry, tasks: MaterializationTask | list[MaterializationTask], **kwargs: Any
    ) -> list[LocalMaterializationJob]:
        """Write every task or none; readers see the state before until all is written."""
        tasks = [tasks] if isinstance(tasks, MaterializationTask) else tasks
        if not isinstance(self.online_store, WholeRowOnlineStore):
            return [self._into_another_store(task) for task in tasks]
        with self.online_store.alone(self.repo_config), builds_held(task.feature_view for task in tasks):
            self._write(registry, tasks)
        registry.refresh(self.repo_config.project)
        return [done(task) for task in tasks]

    def prepare(self, views: Iterable[FeatureView], until: datetime) -> None:
        """Do beforehand, unseen, what takes long of materializing ``views`` as of ``until``."""
        views = list(views)
        with builds_held(views):
            works = [self._work(view, BEGINNING, until) for view in views]
            self._ready = [self._made_ready(work) for work in works if work]

    def _write(self, registry: BaseRegistry, tasks: list[MaterializationTask]) -> None:
        store, config = self.online_store, self.repo_config
        works = [(task, self._work(task.feature_view, task.start_time, task.end_time)) for task in tasks]
        ready = [(task, self._from_store_of_ready(work) if work else None) for task, work in works]
        with store.transaction(config):
            for task, made in ready:
                view, until = task.feature_view, task.end_time.astimezone(UTC)
                held = store.watermark(config, view)
                if made is None:
                    self._write_rows_of_feast(registry, task)
                elif made[1] is None:
                    store.swap(config, view, with_pushed=not self.exactly)
                else:
                    self._add(view, made[1])
                store.mark(config, view, until if self.exactly else max(until, held or BEGINNING))
                if made and not made[0].source.is_build:
                    with store.transaction(config) as connection:
                        read_files.note(connection, view.name, made[0].said)
        self._ready = []
        store.tidy(config)

    def _work(self, view: FeatureView, start: datetime, end: datetime) -> Work | None:
        """What a task comes down to; None where its source is not one this engine reads by itself."""
        store, source = self.online_store, source_of(self.repo_config, view)
        if source is None:
            return None
        held, start, until = store.held(self.repo_config, view), start.astimezone(UTC), end.astimezone(UTC)
        anew = Work(view, source, until, said=source.said)
        if held is None or self.anew or not store.fits(self.repo_config, view):
            return anew
        there, since = held
        is_same = there == view.batch_source.path
        if self.exactly and (until < since or (is_same and until == since) or self._pushed(view)):
            return anew
        if is_same:
            anew, start = replace(anew, until=max(until, since)), since if self.exactly else min(start, since)
            return replace(anew, since=start) if source.is_build else self._work_of_files(anew, start)
        again = changed_since(Path(there), Path(view.batch_source.path), since) if source.is_build else None
        if again is None or until < since:
            return anew
        return replace(anew, since=since, again=tuple(again))

    def _work_of_files(self, anew: Work, start: datetime) -> Work:
        """What is left to do where the same source is held, and its files may have changed."""
        with self.online_store.transaction(self.repo_config) as connection:
            added = read_files.added_since(connection, anew.view.name, anew.said)
        if added is None or not anew.source.keys or anew.source.history.is_mixed:
            return anew
        return replace(anew, since=start, again=tuple(added))

    def _pushed(self, view: FeatureView) -> bool:
        return self.online_store.has_pushed(self.repo_config, view)

    def _from_store_of_ready(self, work: Work) -> tuple[Work, Added | None]:
        """Work that was made ready beforehand, if it was the same."""
        for known, added in self._ready:
            if known.name == work.name:
                return known, added
        return self._made_ready(work)

    def _made_ready(self, work: Work) -> tuple[Work, Added | None]:
        """Read what is to be added, or write everything aside where that is no less."""
        if work.since is not None:
            with last_rows(work.source, work.wanted) as found:
                most = CHANGED_SHARE_MAX * self.online_store.count(self.repo_config, work.view)
                if found.count()[0] <= max(most, CHANGED_ALWAYS):
                    return work, Added(found.again(), list(found.batches()))
            work = replace(work, since=None, again=())
        self._load(work)
        return work, None

    def _load(self, work: Work) -> None:
        """Write a view's whole state aside, but for what a killed run had written of the same."""
        store, config, view = self.online_store, self.repo_config, work.view
        said = work.said | {"until": work.until.isoformat()}
        stands = store.resume(config, view, said)
        if stands["whole"]:
            self.told(view.name, stands["rows"], stands["rows"])
            return
        written = stands["rows"]
        wanted = Wanted(work.until.replace(tzinfo=None), after=stands["last"])
        with last_rows(work.source, wanted) as found:
            keys, rows = found.count()
            if not written:
                self.counted[view.name] = (keys, rows)
            total = written + keys
            for batch in found.batches():
                store.load(config, view, rows_of(batch, view))
                written += batch.num_rows
                self.told(view.name, written, total)
        store.loaded(config, view, total)

    def _add(self, view: FeatureView, added: Added) -> None:
        """Write the rows that were added to a view since it was written."""
        store, config = self.online_store, self.repo_config
        total, written = sum(batch.num_rows for batch in added.batches), 0
        store.forget(config, view, added.forgotten)
        for batch in added.batches:
            store.write(config, view, rows_of(batch, view))
            written += batch.num_rows
            self.told(view.name, written, total)

    def _write_rows_of_feast(self, registry: BaseRegistry, task: MaterializationTask) -> None:
        """A view whose rows Feast has to compute: aggregated, transformed, or in no local Parquet file."""
        held = self.online_store.watermark(self.repo_config, task.feature_view)
        if type(task.feature_view) is not FeatureView:
            job = super()._materialize_one(registry, task if held else from_the_first(task))
            if job.error():
                raise job.error()
            return
        start = min(task.start_time, held) if held else BEGINNING
        self._write_in_feasts_form(task, start)

    def _into_another_store(self, task: MaterializationTask) -> LocalMaterializationJob:
        """The last rows at or before the end instant, into a store of Feast's such as Redis.

        All are converted before the first is written, as far as that can fail.
        """
        view, source = task.feature_view, source_of(self.repo_config, task.feature_view)
        if source is None:
            self._write_in_feasts_form(task, BEGINNING)
            return done(task)
        until = task.end_time.astimezone(UTC).replace(tzinfo=None)
        with builds_held([view]), last_rows(source, Wanted(until)) as found:
            batches = list(found.batches())
        for batch in batches if any(kind.field is None for kind in kinds(view).values()) else ():
            rows_of(batch, view)
        for batch in batches:
            self.online_store.online_write_batch(self.repo_config, view, list(kept_rows(batch, view)), None)
        return done(task)

    def _write_in_feasts_form(self, task: MaterializationTask, start: datetime) -> None:
        view, config = task.feature_view, self.repo_config
        table = pulled(self.offline_store, config, view, start, task.end_time)
        for batch in table.to_batches(max_chunksize=ROWS_A_WRITE):
            self.online_store.online_write_batch(config, view, list(pulled_rows(batch, view)), None)


@contextmanager
def builds_held(views: Iterable[FeatureView]) -> Iterator[None]:
    """Keep the builds that views read from being removed.

    Raises
    ------
    FeatureError
        A build was removed after newer ones had been published.
    """
    folders = {Path(view.batch_source.path).parents[1] for view in views if is_build(view)}
    handles: list[int] = []
    try:
        for build in folders:
            handle = hold(build)
            if handle is None:
                raise FeatureError(f"{build} is no longer there: run 'feast apply' to register a later build")
            handles.append(handle)
        yield
    finally:
        for handle in handles:
            os.close(handle)


def from_the_first(task: MaterializationTask) -> MaterializationTask:
    """The task, and what the registry says was written before: the store, made anew, has nothing of it."""
    starts = [start for start, _ in task.feature_view.materialization_intervals]
    return replace(task, start_time=min([task.start_time, *starts]))


def done(task: MaterializationTask) -> LocalMaterializationJob:
    return LocalMaterializationJob(
        job_id=f"{task.feature_view.name}-{task.end_time.isoformat()}",
        status=MaterializationJobStatus.SUCCEEDED,
    )
