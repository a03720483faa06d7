"""The job behind historical features: entity rows with what held at their instants, as a stream."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from feast import OnDemandFeatureView
from feast.infra.offline_stores.offline_store import RetrievalMetadata

from ml.common.duckdb_engine import within_memory
from ml.common.sql import quoted
from ml.featurestore.feast_types import carried
from ml.featurestore.offline.streamed_job import StreamedJob
from ml.featurestore.on_demand import declared_formulas
from ml.featurestore.retrieval.entity_rows import EntityRows
from ml.featurestore.retrieval.history import History
from ml.featurestore.retrieval.join import Group, HeldValues
from ml.featurestore.retrieval.retrieve import AS_OPERAND, SLICE, on_demand, operands_of


@dataclass(frozen=True)
class Wanted:
    """One feature of a retrieval.

    Parameters
    ----------
    name : str
        Its name in the answer.
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
class Joined:
    """One feature view of a retrieval."""

    name: str
    history: History
    asked_by: Sequence[str]
    wanted: Sequence[Wanted]

    @property
    def group(self) -> Group:
        columns = {wanted.name: wanted.column for wanted in self.wanted}
        return Group(self.table, self.history, self.asked_by, columns)

    @property
    def table(self) -> str:
        """The name of the table of its values, apart from the engine's own tables."""
        return f"view {self.name}"


class PointInTimeJob(StreamedJob):
    """Features at the instants of entity rows.

    On-demand views written by this project are computed on whole columns; those of others by Feast.
    """

    def __init__(
        self,
        rows: EntityRows,
        joined: Sequence[Joined],
        on_demand_views: Sequence[OnDemandFeatureView],
        full_feature_names: bool,
        metadata: RetrievalMetadata,
        settings: tuple[str, str],
    ) -> None:
        super().__init__(settings)
        self.rows, self.joined = rows, joined
        self._full_feature_names, self._metadata = full_feature_names, metadata
        declared = [(view, declared_formulas(view)) for view in on_demand_views]
        self.own = [(view, *found) for view, found in declared if found]
        self._others = [view for view, found in declared if not found]

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self._others

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def stream(self) -> pa.RecordBatchReader:
        """The entity rows with stored features, and on-demand features of this project's own views."""
        asked = self.rows.table
        names = {name for one in self.joined for name in one.asked_by}
        with within_memory(self.memory_limit):
            held = HeldValues.find(
                self.rows.instants,
                {name: asked[name] for name in sorted(names)},
                [one.group for one in self.joined],
                self.memory_limit,
            )
        columns = self.selected(held)
        formulas = self.formulas()

        def part(first: int) -> pa.Table:
            rows = asked.slice(first, SLICE)
            found = held.read([*columns, *self.operands(formulas)], first, first + len(rows))
            own = dict(zip(rows.column_names, rows.columns, strict=True))
            stored = {wanted.name: found[wanted.name] for one in self.joined for wanted in one.wanted}
            return pa.table(own | stored | self.derived(formulas, found, first)).combine_chunks()

        def batches() -> Iterator[pa.RecordBatch]:
            with held, within_memory(self.memory_limit):
                for first in range(0, len(asked), SLICE):
                    yield from part(first).to_batches()

        return pa.RecordBatchReader.from_batches(part(len(asked)).schema, batches())

    def selected(self, held: HeldValues) -> list[str]:
        """The SQL for each feature in the type that Feast carries it in."""
        columns = []
        for one in self.joined:
            kinds = held.types(one.table)
            for wanted in one.wanted:
                column = f"{quoted(one.table)}.{quoted(wanted.name)}"
                carry = carried if wanted.is_text or one.history.is_unique else as_it_is
                columns.append(f"{carry(column, kinds[wanted.name])} as {quoted(wanted.name)}")
        return columns

    def formulas(self) -> dict[str, str]:
        """The formulas of this project's own on-demand views, by feature."""
        return {name: formula for _, formulas, _ in self.own for name, formula in formulas.items()}

    def operands(self, formulas: Mapping[str, str]) -> list[str]:
        """The SQL for each stored feature that formulas use."""
        used = operands_of(formulas) - formulas.keys()
        instants = {name for _, _, names in self.own for name in names}
        kinds = {True: "timestamp", False: "double"}
        return [
            f"{quoted(one.table)}.{quoted(wanted.name)}::{kinds[wanted.feature in instants]}"
            f" as {quoted(AS_OPERAND + wanted.feature)}"
            for one in self.joined
            for wanted in one.wanted
            if wanted.feature in used
        ]

    def derived(self, formulas: Mapping[str, str], found: pa.Table, first: int) -> dict[str, pa.Array]:
        """The on-demand features that were asked for, of one slice."""
        if not formulas:
            return {}
        operands = [name for name in found.column_names if name.startswith(AS_OPERAND)]
        table = found.select(operands).rename_columns([name.removeprefix(AS_OPERAND) for name in operands])
        values = on_demand(formulas, table, self.rows.instants.slice(first, SLICE))
        asked_for = [reference.split(":", 1) for reference in self._metadata.features]
        return {
            f"{view.projection.name_to_use()}__{name}" if self._full_feature_names else name: values[name]
            for view, _, _ in self.own
            for owner, name in asked_for
            if owner == view.projection.name_to_use()
        }


def as_it_is(column: str, kind: str) -> str:
    """A column in its own type."""
    return column
