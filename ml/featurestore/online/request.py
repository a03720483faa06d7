"""The plan of a request to ``get_online_features``: which columns of which tables, computed once.

Feast resolves feature references against the registry and caches the result; a ``Plan`` is made from it.
Unusual requests have no plan, and Feast's own code answers them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast import FeatureService, FeatureView, OnDemandFeatureView, ValueType, utils
from feast.feature_view import DUMMY_ENTITY_ID
from feast.online_response import OnlineResponse
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values

from ml.featurestore.feast_objects import EVENT_TIMESTAMP
from ml.featurestore.formulas import AS_OF
from ml.featurestore.on_demand import declared_formulas, derive, stored_names
from ml.featurestore.online.backend import Backend
from ml.featurestore.online.response import Column, ColumnResponse, message_of
from ml.featurestore.online.rows import ViewReader
from ml.featurestore.online.value_kinds import Kind, key_of, kind

PYTHON_TYPES = {ValueType.STRING: str, ValueType.INT64: int}
PLANS_MAX = 64  # a server has few kinds of requests; more are dropped together


@dataclass(frozen=True)
class Formulas:
    """An on-demand view of this project, which is computed on stored columns."""

    formulas: dict[str, str]
    instants: tuple[str, ...]
    inputs: frozenset[str]
    shown: tuple[str, ...]

    def columns(self, inputs: Mapping[str, Column]) -> list[Column]:
        """The requested features."""
        values: dict[str, Sequence[Any]] = {
            name: inputs[name].python for name in self.inputs if name in inputs
        }
        computed = derive(self.formulas, self.instants, values)
        return [Column(name, computed[name], FLOAT) for name in computed if name in self.shown]


FLOAT = kind(ValueType.DOUBLE)


@dataclass(frozen=True)
class Table:
    """One view of a request: its reader, the columns of its keys, and the names of its features."""

    reader: ViewReader
    columns: tuple[str, ...]
    key_kinds: tuple[Kind, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """How to answer one kind of request.

    Parameters
    ----------
    context : tuple
        Feast's resolution of the references; the plan is valid for this very object.
    tables : list of Table
    formulas : Formulas or None
        The on-demand view, if it is this project's and the only one.
    others : list of OnDemandFeatureView
        The on-demand views that Feast's own code has to compute.
    feature_types : dict
        As Feast passes them to its response.
    """

    context: tuple[Any, ...]
    tables: list[Table]
    formulas: Formulas | None
    others: list[OnDemandFeatureView]
    feature_types: dict[str, ValueType]
    full_feature_names: bool

    @property
    def shown(self) -> frozenset[str]:
        """The requested features, by their names in the response."""
        return self.context[6]

    def answer(self, entity_columns: Mapping[str, Sequence[Any]], backend: Backend) -> OnlineResponse | None:
        """The response to a request with these entity columns; None if Feast's own code has to answer."""
        request = self._request(entity_columns)
        if request is None:
            return None
        key_columns, request_data = request
        keys = {}
        for table in self.tables:
            if table.columns not in keys:
                table_keys = self._keys(table, key_columns)
                if table_keys is None:
                    return None
                keys[table.columns] = table_keys
        columns = [*key_columns.values(), *request_data.values()]
        read = backend.read([(table.reader, keys[table.columns]) for table in self.tables])
        for table, stored in zip(self.tables, read, strict=True):
            rows = table.reader.view_rows(stored)
            columns += map(Column, table.names, rows.columns, table.reader.kinds, [rows] * len(table.names))
        return self._response(columns, set(key_columns))

    def _response(self, columns: list[Column], keys: set[str]) -> OnlineResponse:
        if self.others:
            message = message_of(columns)
            utils._augment_response_with_on_demand_transforms(
                message, self.context[0], self.others, self.full_feature_names, self.feature_types
            )
            utils._drop_unneeded_columns(message, set(self.shown) | keys)
            return OnlineResponse(message, feature_types=self.feature_types)
        names = self.shown | keys
        answered = [column for column in columns if column.name in names]
        if self.formulas:
            answered += self.formulas.columns({column.name: column for column in columns})
        return ColumnResponse(answered, self.feature_types)

    def _request(
        self, entity_columns: Mapping[str, Sequence[Any]]
    ) -> tuple[dict[str, Column], dict[str, Column]] | None:
        """The join keys and the request data among the entity columns."""
        _, _, by_entity, types, join_keys, _, _, needed, _ = self.context
        key_columns, request_data = {}, {}
        for name, values in entity_columns.items():
            column = request_column(name, values, types.get(name, ValueType.UNKNOWN))
            if name in needed:
                request_data[name] = column
            elif name in join_keys:
                key_columns[name] = column
            elif name in by_entity:
                return None
        if (
            len(request_data) != len(needed)
            or len({len(column.stored) for column in (key_columns | request_data).values()}) != 1
        ):
            return None
        return key_columns, request_data

    def _keys(self, table: Table, key_columns: Mapping[str, Column]) -> list[Any] | None:
        """The keys of one view, as values or tuples; None if one is missing."""
        columns = []
        for name, kind_ in zip(table.columns, table.key_kinds, strict=True):
            column = key_columns.get(name)
            if column is None:
                return None
            if column.messages is None and column.kind == kind_:
                columns.append(column.stored)
                continue
            values = column.messages if column.messages is not None else column.vector(None).values
            if any(value.WhichOneof("val") is None for value in values):
                return None
            columns.append([key_of(kind_, value) for value in values])
        return list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))


def request_column(name: str, values: Sequence[Any], type_: ValueType) -> Column:
    """A column of the request; Feast converts values that are not plainly of their type."""
    values = list(values) if isinstance(values, Sequence) else list(values.val)
    if type_ is ValueType.UNKNOWN and values and all(type(value) is str and value for value in values):
        return Column(name, values, kind(ValueType.STRING))
    if type_ in PYTHON_TYPES and set(map(type, values)) == {PYTHON_TYPES[type_]}:
        return Column(name, values, kind(type_))
    messages = python_values_to_proto_values(values, type_)
    return Column(
        name, [feast_value_type_to_python_type(value) for value in messages], None, messages=messages
    )


class Plans:
    """The plans of earlier requests."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Plan | None]] = {}

    def plan(
        self, registry: Any, project: str, features: list[str] | FeatureService, full_feature_names: bool
    ) -> Plan | None:
        """The plan of a request; None if Feast's own code has to answer."""
        if getattr(features, "precompute_online", False):
            return None
        context = utils._get_cached_request_context(registry, project, features, full_feature_names)
        planned_for, plan = self._kept.get(id(context), (None, None))
        if planned_for is not context:
            plan = make_plan(context, full_feature_names)
            if len(self._kept) >= PLANS_MAX:
                self._kept = {}
            self._kept[id(context)] = context, plan
        return plan


def make_plan(context: tuple[Any, ...], full_feature_names: bool) -> Plan | None:
    """The plan for Feast's resolution of a request; None if the request is unusual."""
    from feast.infra.online_stores.online_store import OnlineStore

    references, on_demand, *_, grouped, _, _, _ = context
    if not all(is_plain(view) for view, _ in grouped):
        return None
    tables = [table_of(view, features, full_feature_names) for view, features in grouped]
    names = [name for table in tables for name in table.names]
    if len(set(names)) != len(names):
        return None
    formulas = None
    if len(on_demand) == 1 and not full_feature_names:
        formulas = own_formulas(on_demand[0], references)
    return Plan(
        context,
        tables,
        formulas,
        [] if formulas else list(on_demand),
        OnlineStore._build_feature_types(grouped),
        full_feature_names,
    )


def is_plain(view: Any) -> bool:
    """Whether a view has keys and no named version."""
    return (
        isinstance(view, FeatureView)
        and getattr(view.projection, "version_tag", None) is None
        and view.join_keys != [DUMMY_ENTITY_ID]
        and bool(view.join_keys)
    )


def table_of(view: FeatureView, features: Sequence[str], full_feature_names: bool) -> Table:
    """How to read the features of one view."""
    reader, prefix = ViewReader(view, features), f"{view.projection.name_to_use()}__"
    return Table(
        reader,
        tuple(view.projection.join_key_map.get(key, key) for key in reader.keys),
        tuple(reader.keys.values()),
        tuple(f"{prefix}{name}" if full_feature_names else name for name in features),
    )


def own_formulas(view: OnDemandFeatureView, references: Sequence[str]) -> Formulas | None:
    """The formulas of an on-demand view, if ``on_demand`` wrote its function."""
    declared = declared_formulas(view)
    if declared is None or view.mode != "python" or view.singleton or view.aggregations:
        return None
    if view.write_to_online_store:
        return None
    formulas, instants = declared
    view_name = view.projection.name_alias or view.name
    requested = [utils._parse_feature_ref(reference) for reference in references]
    inputs = (stored_names(tuple(formulas.items())) | set(instants) | {EVENT_TIMESTAMP}) - {AS_OF}
    shown = tuple(name for owner, _, name in requested if owner == view_name)
    return Formulas(formulas, tuple(instants), inputs, shown)
