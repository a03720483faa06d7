"""The job behind historical features: entity rows with the values in force at their instants, as a stream."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from feast import OnDemandFeatureView
from feast.infra.offline_stores.offline_store import RetrievalMetadata

from ml.common.duckdb_engine import within_memory
from ml.common.sql import quoted
from ml.featurestore.feast_types import feast_sql
from ml.featurestore.offline.streamed_job import StreamedJob
from ml.featurestore.on_demand import declared_formulas
from ml.featurestore.retrieval.feast_entity_rows import EntityRows
from ml.featurestore.retrieval.history import History
from ml.featurestore.retrieval.join import Group, JoinedValues
from ml.featurestore.retrieval.retrieve import OPERAND_PREFIX, SLICE_ROWS, on_demand, operands_of


@dataclass(frozen=True)
class RequestedFeature:
    """One feature of a retrieval.

    Parameters
    ----------
    name : str
        Its name in the result.
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
class JoinedView:
    """One feature view of a retrieval."""

    name: str
    history: History
    entity_columns: Sequence[str]
    features: Sequence[RequestedFeature]

    @property
    def group(self) -> Group:
        columns = {feature.name: feature.column for feature in self.features}
        return Group(self.table, self.history, self.entity_columns, columns)

    @property
    def table(self) -> str:
        """The name of the table of its values, apart from the engine's own tables."""
        return f"view {self.name}"


class PointInTimeJob(StreamedJob):
    """Features at the instants of entity rows.

    This project's on-demand views are computed on whole columns; Feast computes others.
    """

    def __init__(
        self,
        rows: EntityRows,
        views: Sequence[JoinedView],
        on_demand_views: Sequence[OnDemandFeatureView],
        full_feature_names: bool,
        metadata: RetrievalMetadata,
        settings: tuple[str, str],
    ) -> None:
        super().__init__(settings)
        self.rows, self.views = rows, views
        self._full_feature_names, self._metadata = full_feature_names, metadata
        declared = [(view, declared_formulas(view)) for view in on_demand_views]
        self.own_views = [(view, *formulas) for view, formulas in declared if formulas]
        self._other_views = [view for view, formulas in declared if not formulas]

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self._other_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def stream(self) -> pa.RecordBatchReader:
        """The entity rows with stored features, and on-demand features of this project's own views."""
        entity_rows = self.rows.table
        names = {name for view in self.views for name in view.entity_columns}
        with within_memory(self.memory_limit):
            values = JoinedValues.find(
                self.rows.instants,
                {name: entity_rows[name] for name in sorted(names)},
                [view.group for view in self.views],
                self.memory_limit,
            )
        columns = self.selected(values)
        formulas = self.formulas()

        def features_of(first: int) -> pa.Table:
            rows = entity_rows.slice(first, SLICE_ROWS)
            result = values.read([*columns, *self.operands(formulas)], first, first + len(rows))
            entity_columns = dict(zip(rows.column_names, rows.columns, strict=True))
            stored = {feature.name: result[feature.name] for view in self.views for feature in view.features}
            return pa.table(entity_columns | stored | self.derived(formulas, result, first)).combine_chunks()

        def batches() -> Iterator[pa.RecordBatch]:
            with values, within_memory(self.memory_limit):
                for first in range(0, len(entity_rows), SLICE_ROWS):
                    yield from features_of(first).to_batches()

        return pa.RecordBatchReader.from_batches(features_of(len(entity_rows)).schema, batches())

    def selected(self, values: JoinedValues) -> list[str]:
        """The SQL for each feature in its Feast type."""
        columns = []
        for view in self.views:
            kinds = values.types(view.table)
            for feature in view.features:
                column = f"{quoted(view.table)}.{quoted(feature.name)}"
                if feature.is_text or view.history.is_unique:
                    columns.append(f"{feast_sql(column, kinds[feature.name])} as {quoted(feature.name)}")
                else:
                    columns.append(f"{column} as {quoted(feature.name)}")
        return columns

    def formulas(self) -> dict[str, str]:
        """The formulas of this project's own on-demand views, by feature."""
        return {name: formula for _, formulas, _ in self.own_views for name, formula in formulas.items()}

    def operands(self, formulas: Mapping[str, str]) -> list[str]:
        """The SQL for each stored feature that formulas use."""
        used = operands_of(formulas) - formulas.keys()
        instants = {name for _, _, names in self.own_views for name in names}
        kinds = {True: "timestamp", False: "double"}
        return [
            f"{quoted(view.table)}.{quoted(feature.name)}::{kinds[feature.feature in instants]}"
            f" as {quoted(OPERAND_PREFIX + feature.feature)}"
            for view in self.views
            for feature in view.features
            if feature.feature in used
        ]

    def derived(self, formulas: Mapping[str, str], stored: pa.Table, first: int) -> dict[str, pa.Array]:
        """The requested on-demand features of one slice."""
        if not formulas:
            return {}
        operands = [name for name in stored.column_names if name.startswith(OPERAND_PREFIX)]
        table = stored.select(operands).rename_columns(
            [name.removeprefix(OPERAND_PREFIX) for name in operands]
        )
        values = on_demand(formulas, table, self.rows.instants.slice(first, SLICE_ROWS))
        requested = [reference.split(":", 1) for reference in self._metadata.features]
        return {
            f"{view.projection.name_to_use()}__{name}" if self._full_feature_names else name: values[name]
            for view, _, _ in self.own_views
            for owner, name in requested
            if owner == view.projection.name_to_use()
        }
