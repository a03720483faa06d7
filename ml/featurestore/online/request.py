"""What a request to ``get_online_features`` comes down to: which columns of which tables, computed once.

Feast resolves feature references against the registry and keeps the outcome; a ``Plan`` is what follows from
it. Requests that are out of the ordinary have none, and Feast's own code answers them.
"""

import ast
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from feast import FeatureService, FeatureView, OnDemandFeatureView, ValueType, utils
from feast.feature_view import DUMMY_ENTITY_ID
from feast.online_response import OnlineResponse
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values

from ml.featurestore.formulas import ASKED_AT
from ml.featurestore.on_demand import derive, stored_names, udf_source
from ml.featurestore.online.response import Column, ColumnResponse, message_of
from ml.featurestore.online.rows import Reading
from ml.featurestore.online.value_kinds import Kind, key_of, kind

ASKED = "event_timestamp"
PLAIN = {ValueType.STRING: str, ValueType.INT64: int}
PLANS_MAX = 64


@dataclass(frozen=True)
class Formulas:
    """An on-demand view of ours, to be computed on columns as they are."""

    formulas: dict[str, str]
    instants: tuple[str, ...]
    inputs: frozenset[str]
    shown: tuple[str, ...]

    def columns(self, inputs: Mapping[str, Column]) -> list[Column]:
        """The features asked for."""
        given: dict[str, Sequence[Any]] = {
            name: inputs[name].python for name in self.inputs if name in inputs
        }
        computed = derive(self.formulas, self.instants, given)
        return [Column(name, computed[name], FLOAT) for name in computed if name in self.shown]


FLOAT = kind(ValueType.DOUBLE)


@dataclass(frozen=True)
class Table:
    """One view of a request: how to read it, by which of the request's columns, under which names."""

    reading: Reading
    columns: tuple[str, ...]
    key_kinds: tuple[Kind, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """How to answer one kind of request.

    Parameters
    ----------
    context : tuple
        What Feast made of the references; the plan holds for this very object.
    tables : list of Table
    formulas : Formulas or None
        The on-demand view, where it is ours and the only one.
    others : list of OnDemandFeatureView
        The on-demand views that Feast's own code has to compute.
    feature_types : dict
        As Feast hands them to its response.
    """

    context: tuple[Any, ...]
    tables: list[Table]
    formulas: Formulas | None
    others: list[OnDemandFeatureView]
    feature_types: dict[str, ValueType]
    full_feature_names: bool

    @property
    def shown(self) -> frozenset[str]:
        """The features asked for, as the answer names them."""
        return self.context[6]

    def answer(
        self, given: Mapping[str, Sequence[Any]], state: AbstractContextManager[sqlite3.Connection]
    ) -> OnlineResponse | None:
        """The answer to a request with these entity columns; None where Feast's own code has to say."""
        request = self._request(given)
        if request is None:
            return None
        joined, asked = request
        keys = {}
        for table in self.tables:
            if table.columns not in keys:
                found = self._keys(table, joined)
                if found is None:
                    return None
                keys[table.columns] = found
        columns = [*joined.values(), *asked.values()]
        with state as connection:
            for table in self.tables:
                rows = table.reading.find(connection, keys[table.columns])
                columns += map(
                    Column, table.names, rows.columns, table.reading.kinds, [rows] * len(table.names)
                )
        return self._response(columns, set(joined))

    def _response(self, columns: list[Column], keys: set[str]) -> OnlineResponse:
        if self.others:
            message = message_of(columns)
            utils._augment_response_with_on_demand_transforms(
                message, self.context[0], self.others, self.full_feature_names, self.feature_types
            )
            utils._drop_unneeded_columns(message, set(self.shown) | keys)
            return OnlineResponse(message, feature_types=self.feature_types)
        wanted = self.shown | keys
        shown = [column for column in columns if column.name in wanted]
        if self.formulas:
            shown += self.formulas.columns({column.name: column for column in columns})
        return ColumnResponse(shown, self.feature_types)

    def _request(
        self, given: Mapping[str, Sequence[Any]]
    ) -> tuple[dict[str, Column], dict[str, Column]] | None:
        """The join keys and the request data among the given columns."""
        _, _, by_entity, types, join_keys, _, _, needed, _ = self.context
        joined, asked = {}, {}
        for name, values in given.items():
            column = as_given(name, values, types.get(name, ValueType.UNKNOWN))
            if name in needed:
                asked[name] = column
            elif name in join_keys:
                joined[name] = column
            elif name in by_entity:
                return None
        if len(asked) != len(needed) or len({len(column.kept) for column in (joined | asked).values()}) != 1:
            return None
        return joined, asked

    def _keys(self, table: Table, joined: Mapping[str, Column]) -> list[Any] | None:
        """The keys of one view, a value or a tuple each; None where some are missing."""
        columns = []
        for name, kind_ in zip(table.columns, table.key_kinds, strict=True):
            column = joined.get(name)
            if column is None:
                return None
            if column.given is None and column.kind == kind_:
                columns.append(column.kept)
                continue
            values = column.given if column.given is not None else column.vector(None).values
            if any(value.WhichOneof("val") is None for value in values):
                return None
            columns.append([key_of(kind_, value) for value in values])
        return list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))


def as_given(name: str, values: Sequence[Any], type_: ValueType) -> Column:
    """A column of the request; values that are not plainly of their type go the way Feast takes them."""
    values = list(values) if isinstance(values, Sequence) else list(values.val)
    if type_ is ValueType.UNKNOWN and values and all(type(value) is str and value for value in values):
        return Column(name, values, kind(ValueType.STRING))
    if type_ in PLAIN and set(map(type, values)) == {PLAIN[type_]}:
        return Column(name, values, kind(type_))
    messages = python_values_to_proto_values(values, type_)
    return Column(name, [feast_value_type_to_python_type(value) for value in messages], None, given=messages)


class Plans:
    """The plans of the requests seen so far."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Plan | None]] = {}

    def plan(
        self, registry: Any, project: str, features: list[str] | FeatureService, full_feature_names: bool
    ) -> Plan | None:
        """The plan of a request; None where Feast's own code has to answer."""
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
    """What follows from Feast's resolution of a request; None where it is out of the ordinary."""
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
        formulas = our_formulas(on_demand[0], references)
    return Plan(
        context,
        tables,
        formulas,
        [] if formulas else list(on_demand),
        OnlineStore._build_feature_types(grouped),
        full_feature_names,
    )


def is_plain(view: Any) -> bool:
    """Whether a view is an ordinary one, with keys and in no named version."""
    return (
        isinstance(view, FeatureView)
        and getattr(view.projection, "version_tag", None) is None
        and view.join_keys != [DUMMY_ENTITY_ID]
        and bool(view.join_keys)
    )


def table_of(view: FeatureView, features: Sequence[str], full_feature_names: bool) -> Table:
    """How to read the features of one view."""
    reading, prefix = Reading(view, features), f"{view.projection.name_to_use()}__"
    return Table(
        reading,
        tuple(view.projection.join_key_map.get(key, key) for key in reading.keys),
        tuple(reading.keys.values()),
        tuple(f"{prefix}{name}" if full_feature_names else name for name in features),
    )


def our_formulas(view: OnDemandFeatureView, references: Sequence[str]) -> Formulas | None:
    """The formulas of an on-demand view, if its function is the one that ``on_demand`` writes."""
    source = getattr(view.feature_transformation, "udf_string", None) or ""
    said = [line.partition(" = ")[2] for line in source.splitlines() if line.startswith("    formulas = ")]
    said += [line.partition(" = ")[2] for line in source.splitlines() if line.startswith("    instants = ")]
    if view.mode != "python" or view.singleton or view.aggregations or view.write_to_online_store:
        return None
    try:
        formulas, instants = map(ast.literal_eval, said)
    except (ValueError, SyntaxError):
        return None
    if udf_source(formulas, instants) != source:
        return None
    used_as = view.projection.name_alias or view.name
    asked = [utils._parse_feature_ref(reference) for reference in references]
    inputs = (stored_names(tuple(formulas.items())) | set(instants) | {ASKED}) - {ASKED_AT}
    shown = tuple(name for owner, _, name in asked if owner == used_as)
    return Formulas(formulas, tuple(instants), inputs, shown)
