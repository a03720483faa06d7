"""Rows of one view, written and read: in the form of the online store, and in that of Feast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from feast import FeatureView
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from ml.common.errors import FeatureError
from ml.featurestore.online.table_names import quoted_names
from ml.featurestore.online.value_kinds import Kind, key_kinds, key_of, kinds

PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE = FieldStatus.PRESENT, FieldStatus.NOT_FOUND, FieldStatus.OUTSIDE_MAX_AGE
Keys = Sequence[Any]
Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Answer = tuple[datetime | None, dict[str, Value] | None]
StoredRow = Sequence[Any]
"""An event timestamp as text, then values in their stored form; all None if there is no row."""


@dataclass(frozen=True)
class ViewRows:
    """The rows of a view for some keys.

    Parameters
    ----------
    instants : list
        The event timestamp of each key as text, or None.
    columns : list
        A column per feature: the stored value for each key; None if there is none, or it is too old.
    statuses : list
        Feast's status of each key.
    """

    instants: Sequence[str | None]
    columns: Sequence[Sequence[Any]]
    statuses: Sequence[int]


class ViewReader:
    """Reads some features of one view; made once, used for every request.

    Parameters
    ----------
    view : FeatureView
    features : sequence of str
        In the order of the result's columns.
    """

    def __init__(self, view: FeatureView, features: Sequence[str]):
        view_kinds = kinds(view)
        self.view = view
        self.features = list(features)
        self.kinds: list[Kind] = [view_kinds[name] for name in features]
        self.keys: dict[str, Kind] = key_kinds(view)
        ttl = getattr(view, "ttl", None)
        self.ttl: timedelta | None = ttl if ttl else None
        self.nothing: StoredRow = (None,) * (1 + len(features))
        self.prepared: Any = None  # what the backend keeps of this reader, such as its queries

    def view_rows(self, rows: Sequence[StoredRow]) -> ViewRows:
        """Instants, columns and statuses of rows; values older than the view's TTL are left out."""
        instants = [row[0] for row in rows]
        statuses = [NOT_FOUND if instant is None else PRESENT for instant in instants]
        if self.ttl:
            # Feast measures a TTL by the wall clock.
            statuses = [
                OUTSIDE_MAX_AGE if instant and now() - as_datetime(instant) > self.ttl else status
                for instant, status in zip(instants, statuses, strict=True)
            ]
            rows = [
                self.nothing if status == OUTSIDE_MAX_AGE else row
                for row, status in zip(rows, statuses, strict=True)
            ]
        columns = list(zip(*rows, strict=True))[1:] if rows else [()] * len(self.features)
        return ViewRows(instants, columns, statuses)


def hide_expired(view: FeatureView, vectors: Sequence[Any]) -> None:
    """Remove values older than the view's TTL from Feast's messages."""
    ttl = getattr(view, "ttl", None)
    for vector in vectors if ttl else ():
        for index, instant in enumerate(vector.event_timestamps):
            if vector.statuses[index] == PRESENT and now() - instant.ToDatetime(UTC) > ttl:
                vector.values[index].Clear()
                vector.statuses[index] = OUTSIDE_MAX_AGE


def now() -> datetime:
    return datetime.now(UTC)


def as_datetime(instant: str) -> datetime:
    return datetime.fromisoformat(instant).replace(tzinfo=UTC)


def stamp(instant: datetime) -> str:
    """An instant as text that sorts as time does, to the microsecond; without a zone it is UTC."""
    utc = instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
    return utc.isoformat(timespec="microseconds")


def pushed_row(row: Row, keys: Mapping[str, Kind], fields: Sequence[tuple[str, Kind]]) -> list[Any]:
    """A pushed row in its stored form: keys, its two instants, the push mark, its values."""
    key, values, instant, created = row
    plain = plain_key(key, keys)
    plain = plain if isinstance(plain, tuple) else (plain,)
    missing = [name for name, value in zip(keys, plain, strict=True) if value is None or value != value]
    if instant is None or instant != instant:
        missing.append("event timestamp")
    if missing:
        shown = ", ".join(f"{name} {value!r}" for name, value in zip(keys, plain, strict=True))
        raise FeatureError(
            f"a row without a value of its type for {quoted_names(missing)} cannot be put online: {shown}"
        )
    return [
        *plain,
        stamp(instant),
        None if created is None or created != created else stamp(created),
        1,
        *(kind.stored(values[name]) for name, kind in fields),
    ]


def plain_key(key: EntityKey, keys: Mapping[str, Kind]) -> Any:
    """An entity key in its stored form: a value or a tuple; None if it is no key of the view."""
    values = dict(zip(key.join_keys, key.entity_values, strict=True))
    plain = tuple(key_of(kind, values[name]) if name in values else None for name, kind in keys.items())
    return plain[0] if len(plain) == 1 else plain


def answer(reader: ViewReader, row: StoredRow) -> Answer:
    """A row in the form of Feast."""
    instant, *values = row
    if instant is None:
        return None, None
    named = zip(reader.features, reader.kinds, values, strict=True)
    return as_datetime(instant), {name: kind.message(stored) for name, kind, stored in named}
