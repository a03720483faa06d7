"""Feast's response to ``get_online_features``, made column by column; Feast's messages only on demand.

It equals the response of Feast's own code for the same rows, cell by cell, except that values older than the
view's TTL are left out (``OUTSIDE_MAX_AGE``), as Feast documents and its stores do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feast.online_response import TIMESTAMP_POSTFIX, OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from feast.value_type import ValueType
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from ml.featurestore.online.rows import PRESENT, ViewRows, as_datetime
from ml.featurestore.online.value_kinds import Kind, messages

NO_INSTANT = Timestamp()


@dataclass(slots=True)
class Column:
    """One named column of a response: its values, and their conversion for Feast.

    Parameters
    ----------
    name : str
    stored : sequence
        Values as the store has them, or plain values of a type that needs no conversion.
    kind : Kind or None
        How they are stored; None if ``messages`` has Feast's messages.
    rows : ViewRows or None
        The statuses and instants of the rows; None if every value is present and has no instant.
    messages : sequence of Value or None
    """

    name: str
    stored: Sequence[Any]
    kind: Kind | None
    rows: ViewRows | None = None
    messages: Sequence[Value] | None = None

    @property
    def python(self) -> list[Any]:
        """The values as ``to_dict`` returns them."""
        return self.kind.python(self.stored) if self.kind else list(self.stored)

    @property
    def seconds(self) -> list[int]:
        """Event timestamps as ``to_dict`` returns them: whole seconds, 0 if there is none."""
        if self.rows is None:
            return [0] * len(self.stored)
        return [instant_message(instant).seconds if instant else 0 for instant in self.rows.instants]

    def vector(self, instants: Sequence[Timestamp] | None) -> Any:
        """The column as Feast's message."""
        values = (
            self.messages
            if self.messages is not None
            else messages(self.kind, self.stored)
            if self.kind
            else []
        )
        return GetOnlineFeaturesResponse.FeatureVector(
            values=values,
            statuses=self.rows.statuses if self.rows else [PRESENT] * len(values),  # type: ignore[arg-type]
            event_timestamps=instants if instants is not None else [NO_INSTANT] * len(values),
        )


class ColumnResponse(OnlineResponse):
    """Feast's response over columns; ``proto`` is made at its first use, and replaces them."""

    def __init__(self, columns: Sequence[Column], feature_types: dict[str, ValueType] | None = None):
        self._columns: Sequence[Column] | None = columns
        self._feature_types = feature_types or {}

    @property
    def proto(self) -> Any:
        """The response as Feast's message."""
        if self._columns is not None:
            self._message = message_of(self._columns)
            self._columns = None
        return self._message

    def to_dict(self, include_event_timestamps: bool = False) -> dict[str, Any]:
        """Column name -> values, optionally with their event timestamps in seconds."""
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
        rows = column.rows
        if rows is not None and id(rows) not in instants:
            instants[id(rows)] = [instant_message(instant) for instant in rows.instants]
        answer.metadata.feature_names.val.append(column.name)
        answer.results.append(column.vector(instants[id(rows)] if rows is not None else None))
    return answer


def instant_message(instant: str | None) -> Timestamp:
    """An instant of a row as Feast's message."""
    message = Timestamp()
    if instant is not None:
        message.FromDatetime(as_datetime(instant))
    return message
