"""Rows of one view, written and read: in the form of the online store, and in that of Feast."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from feast import FeatureView
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from ml.common.errors import FeatureError
from ml.featurestore.online.sqlite_schema import select_many, select_one, upsert
from ml.featurestore.online.table_names import quoted_names
from ml.featurestore.online.value_kinds import Kind, key_kinds, key_of, kinds

PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE = FieldStatus.PRESENT, FieldStatus.NOT_FOUND, FieldStatus.OUTSIDE_MAX_AGE
Keys = Sequence[Any]
Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Answer = tuple[datetime | None, dict[str, Value] | None]
# The JSON escape of the character at which SQLite would end a text.
ZERO_CHARACTER = r"\u0000"


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
        self.features = list(features)
        self.kinds: list[Kind] = [view_kinds[name] for name in features]
        self.keys: dict[str, Kind] = key_kinds(view)
        ttl = getattr(view, "ttl", None)
        self.ttl: timedelta | None = ttl if ttl else None
        self._one, self._many = select_one(view, features), select_many(view, features)
        self.width = len(self.keys)
        self._nothing = (None,) * (self.width + 1 + len(features))
        self._as_json = len(self.keys) == 1 and all(kind.field is not None for kind in self.keys.values())

    def rows(self, connection: sqlite3.Connection, keys: Keys) -> list[tuple[Any, ...]]:
        """The row of each key: keys, event timestamp, stored values; all None if there is no row.

        A key is a plain value, or a tuple if the view has several join keys.
        """
        key_list = as_json(keys) if self._as_json and len(keys) > 1 else None
        if key_list is None or ZERO_CHARACTER in key_list:
            return [self._row(connection, key) for key in keys]
        row_of_key = {row[0]: row for row in connection.execute(self._many, (key_list,))}
        return [row_of_key.get(key, self._nothing) for key in keys]

    def _row(self, connection: sqlite3.Connection, key: Any) -> tuple[Any, ...]:
        row = connection.execute(self._one, (key,) if self.width == 1 else key).fetchone()
        return row or self._nothing

    def find(self, connection: sqlite3.Connection, keys: Keys) -> ViewRows:
        """Instants, columns and statuses; values older than the view's TTL are left out."""
        rows = self.rows(connection, keys)
        instants = [row[self.width] for row in rows]
        statuses = [NOT_FOUND if instant is None else PRESENT for instant in instants]
        if self.ttl:
            # Feast measures a TTL by the wall clock.
            statuses = [
                OUTSIDE_MAX_AGE if instant and now() - as_datetime(instant) > self.ttl else status
                for instant, status in zip(instants, statuses, strict=True)
            ]
            rows = [
                self._nothing if status == OUTSIDE_MAX_AGE else row
                for row, status in zip(rows, statuses, strict=True)
            ]
        columns = list(zip(*rows, strict=True))[self.width + 1 :] if rows else [()] * len(self.features)
        return ViewRows(instants, columns, statuses)


def as_json(keys: Keys) -> str | None:
    """Distinct keys as a JSON list; None if JSON cannot express one, such as infinity."""
    try:
        return json.dumps(list(dict.fromkeys(keys)), allow_nan=False)
    except ValueError:
        return None


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


def put(connection: sqlite3.Connection, view: FeatureView, rows: Iterator[Sequence[Any]], table: str) -> None:
    """Write rows as the compute engine makes them.

    Raises
    ------
    FeatureError
        A key is NaN, which equals nothing, and which SQLite stores as null.
    """
    try:
        connection.executemany(upsert(view, list(kinds(view)), table), rows)
    except sqlite3.IntegrityError as error:
        raise FeatureError(
            f"{view.name} has a row whose key is not a number (NaN): correct its source, or take it out there"
        ) from error


def pushed_row(row: Row, keys: Mapping[str, Kind], fields: Sequence[tuple[str, Kind]]) -> list[Any]:
    """A pushed row for SQLite: keys, its two instants, the push mark, its values."""
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
    """An entity key in SQLite's form: a value or a tuple; None if it is no key of the view."""
    values = dict(zip(key.join_keys, key.entity_values, strict=True))
    plain = tuple(key_of(kind, values[name]) if name in values else None for name, kind in keys.items())
    return plain[0] if len(plain) == 1 else plain


def answer(reader: ViewReader, row: tuple[Any, ...]) -> Answer:
    """A row in the form of Feast."""
    instant, *values = row[reader.width :]
    if instant is None:
        return None, None
    named = zip(reader.features, reader.kinds, values, strict=True)
    return as_datetime(instant), {name: kind.message(stored) for name, kind, stored in named}
