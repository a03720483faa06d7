"""Materialization: the state that holds at the end instant, all views in one step.

``feast materialize`` and ``feast materialize-incremental`` end here, with tasks of (view, start, end).
Feast's own engine takes the start at its word, so a customer whose last change is older never gets online.
This one starts where the store's content ends, or at the beginning of time.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine, LocalComputeEngineConfig
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.objects import BEGINNING
from feature_repo.online_store import Row, kinds, wrapped

ROWS_A_WRITE = 10_000


class StateAtComputeEngineConfig(LocalComputeEngineConfig):
    """Settings of the engine in ``feature_store.yaml``: none but its type."""

    type: str = "feature_repo.compute_engine.StateAtComputeEngine"


class StateAtComputeEngine(LocalComputeEngine):
    """Writes to the online store the last row at or before the end instant, of every customer."""

    @property
    def supports_batch(self) -> bool:
        """Feast hands over all views at once, so that they can be written in one transaction."""
        return True

    def materialize(
        self, registry: BaseRegistry, tasks: MaterializationTask | list[MaterializationTask], **kwargs: Any
    ) -> list[LocalMaterializationJob]:
        """Write every task or none; readers see the state before until all is written."""
        tasks = [tasks] if isinstance(tasks, MaterializationTask) else tasks
        with self.online_store.transaction(self.repo_config):
            for task in tasks:
                self._write_state(task)
        registry.refresh(self.repo_config.project)
        return [done(task) for task in tasks]

    def _write_state(self, task: MaterializationTask) -> None:
        view, held_until = task.feature_view, self.online_store.watermark(self.repo_config, task.feature_view)
        start = min(task.start_time, held_until) if held_until else BEGINNING
        for batch in self._last_rows(task, start).to_batches(max_chunksize=ROWS_A_WRITE):
            self.online_store.online_write_batch(self.repo_config, view, list(rows(batch, view)), None)
        self.online_store.mark(self.repo_config, view, max(task.end_time, held_until or BEGINNING))

    def _last_rows(self, task: MaterializationTask, start: datetime) -> pa.Table:
        view = task.feature_view
        return self.offline_store.pull_latest_from_table_or_query(
            config=self.repo_config,
            data_source=view.batch_source,
            join_key_columns=view.join_keys,
            feature_name_columns=[field.name for field in view.features],
            timestamp_field=view.batch_source.timestamp_field,
            created_timestamp_column=None,
            start_date=start,
            end_date=task.end_time,
        ).to_arrow()


def done(task: MaterializationTask) -> LocalMaterializationJob:
    return LocalMaterializationJob(
        job_id=f"{task.feature_view.name}-{task.end_time.isoformat()}",
        status=MaterializationJobStatus.SUCCEEDED,
    )


def rows(batch: pa.RecordBatch, view: Any) -> Iterator[Row]:
    """A batch in Feast's form; nulls stay nulls and 64-bit integers stay exact."""
    columns = {
        name: [wrapped(value, field) for value in batch.column(name).to_pylist()]
        for name, (_, field) in kinds(view).items()
    }
    keys = batch.column(view.join_keys[0]).to_pylist()
    instants = batch.column(view.batch_source.timestamp_field).to_pylist()
    for key, instant, *values in zip(keys, instants, *columns.values(), strict=True):
        entity = EntityKey(join_keys=view.join_keys[:1], entity_values=[Value(string_val=key)])
        yield entity, dict(zip(columns, values, strict=True)), instant, None
