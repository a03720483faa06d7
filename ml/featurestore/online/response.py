"""Feast's answer to ``get_online_features``, made column by column; Feast's messages only when somebody asks.

What it says is what Feast's own code makes of the same rows, cell by cell, except that values older than the
view's TTL are not told (``OUTSIDE_MAX_AGE``), as Feast documents and its stores do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feast.online_response import TIMESTAMP_POSTFIX, OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from feast.value_type import ValueType
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from ml.featurestore.online.rows import PRESENT, Found, as_datetime
from ml.featurestore.online.value_kinds import Kind, messages

NO_INSTANT = Timestamp()


@dataclass(slots=True)
class Column:
    """One named column of an answer: values as Python has them, and how to say them to Feast.

    Parameters
    ----------
    name : str
    kept : sequence
        What the store keeps, or plain values of a type that needs no conversion.
    kind : Kind or None
        How it is kept; None where ``given`` has Feast's messages already.
    found : Found or None
        The row's statuses and instants; None where every value is present and has no instant.
    given : sequence of Value or None
    """

    name: str
    kept: Sequence[Any]
    kind: Kind | None
    found: Found | None = None
    given: Sequence[Value] | None = None

    @property
    def python(self) -> list[Any]:
        """The values as ``to_dict`` gives them."""
        return self.kind.python(self.kept) if self.kind else list(self.kept)

    @property
    def seconds(self) -> list[int]:
        """Event timestamps as ``to_dict`` gives them: whole seconds, 0 where there is none."""
        if self.found is None:
            return [0] * len(self.kept)
        return [instant_message(instant).seconds if instant else 0 for instant in self.found.instants]

    def vector(self, instants: Sequence[Timestamp] | None) -> Any:
        """The column as Feast's message."""
        values = self.given if self.given is not None else messages(self.kind, self.kept) if self.kind else []
        return GetOnlineFeaturesResponse.FeatureVector(
            values=values,
            statuses=self.found.statuses if self.found else [PRESENT] * len(values),  # type: ignore[arg-type]
            event_timestamps=instants if instants is not None else [NO_INSTANT] * len(values),
        )


class ColumnResponse(OnlineResponse):
    """Feast's response over columns; ``proto`` is made when first asked for, and counts from then on."""

    def __init__(self, columns: Sequence[Column], feature_types: dict[str, ValueType] | None = None):
        self._columns: Sequence[Column] | None = columns
        self._feature_types = feature_types or {}

    @property
    def proto(self) -> Any:
        """The answer as Feast's message."""
        if self._columns is not None:
            self._message = message_of(self._columns)
            self._columns = None
        return self._message

    def to_dict(self, include_event_timestamps: bool = False) -> dict[str, Any]:
        """Column name -> values; with their event timestamps in seconds beside them if wanted."""
        if self._columns is None:
            return super().to_dict(include_event_timestamps)
        answer: dict[str, Any] = {}
        for column in self._columns:
            answer[column.name] = column.python
            if include_event_timestamps:
                answer[f"{column.name}{TIMESTAMP_POSTFIX}"] = column.seconds
        return answer


def message_of(columns: Sequence[Column]) -> Any:
    """Columns as Feast's message."""
    answer = GetOnlineFeaturesResponse()
    instants: dict[int, list[Timestamp]] = {}
    for column in columns:
        found = column.found
        if found is not None and id(found) not in instants:
            instants[id(found)] = [instant_message(instant) for instant in found.instants]
        answer.metadata.feature_names.val.append(column.name)
        answer.results.append(column.vector(instants[id(found)] if found is not None else None))
    return answer


def instant_message(instant: str | None) -> Timestamp:
    """An instant of a row as Feast's message."""
    said = Timestamp()
    if instant is not None:
        said.FromDatetime(as_datetime(instant))
    return said
