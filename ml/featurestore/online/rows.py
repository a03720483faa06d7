"""Rows of one view, in and out: as the online store holds them, and as Feast has them."""

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
from ml.featurestore.online.layout import listed
from ml.featurestore.online.sqlite_schema import select_many, select_one, upsert
from ml.featurestore.online.value_kinds import Kind, key_kinds, key_of, kinds

PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE = FieldStatus.PRESENT, FieldStatus.NOT_FOUND, FieldStatus.OUTSIDE_MAX_AGE
Keys = Sequence[Any]
Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Answer = tuple[datetime | None, dict[str, Value] | None]
# How JSON writes the character at which SQLite would end a text.
ZERO = r"\u0000"


@dataclass(frozen=True)
class Found:
    """What a view says of the asked keys.

    Parameters
    ----------
    instants : list
        A key's event timestamp as text, or None.
    columns : list
        A column a feature: what is kept for each key; None where there is nothing, or only what is too old.
    statuses : list
        A key's status of Feast's.
    """

    instants: Sequence[str | None]
    columns: Sequence[Sequence[Any]]
    statuses: Sequence[int]


class Reading:
    """How to ask one view for some features; made once, used for every request.

    Parameters
    ----------
    view : FeatureView
    features : sequence of str
        In the order their columns are wanted.
    """

    def __init__(self, view: FeatureView, features: Sequence[str]):
        of_view = kinds(view)
        self.features = list(features)
        self.kinds: list[Kind] = [of_view[name] for name in features]
        self.keys: dict[str, Kind] = key_kinds(view)
        ttl = getattr(view, "ttl", None)
        self.ttl: timedelta | None = ttl if ttl else None
        self._one, self._many = select_one(view, features), select_many(view, features)
        self.width = len(self.keys)
        self._nothing = (None,) * (self.width + 1 + len(features))
        self._as_json = len(self.keys) == 1 and all(kind.field is not None for kind in self.keys.values())

    def rows(self, connection: sqlite3.Connection, keys: Keys) -> list[tuple[Any, ...]]:
        """Of each key the row: keys, event timestamp, kept values; all None where it is not there.

        A key is a plain value, or a tuple of them where the view has several join keys.
        """
        asked = as_json(keys) if self._as_json and len(keys) > 1 else None
        if asked is None or ZERO in asked:
            return [self._row(connection, key) for key in keys]
        there = {row[0]: row for row in connection.execute(self._many, (asked,))}
        return [there.get(key, self._nothing) for key in keys]

    def _row(self, connection: sqlite3.Connection, key: Any) -> tuple[Any, ...]:
        row = connection.execute(self._one, (key,) if self.width == 1 else key).fetchone()
        return row or self._nothing

    def find(self, connection: sqlite3.Connection, keys: Keys) -> Found:
        """Instants, columns and statuses; values older than the view's TTL are not told."""
        rows = self.rows(connection, keys)
        instants = [row[self.width] for row in rows]
        statuses = [NOT_FOUND if instant is None else PRESENT for instant in instants]
        if self.ttl:
            rows = list(map(self._told, rows, statuses))
            statuses = [
                OUTSIDE_MAX_AGE if told is self._nothing and status == PRESENT else status
                for told, status in zip(rows, statuses, strict=True)
            ]
        columns = list(zip(*rows, strict=True))[self.width + 1 :] if rows else [()] * len(self.features)
        return Found(instants, columns, statuses)

    def _told(self, row: tuple[Any, ...], status: int) -> tuple[Any, ...]:
        return self._nothing if status == PRESENT and is_older(row[self.width], self.ttl) else row


def as_json(keys: Keys) -> str | None:
    """Keys as SQLite reads them; None where there is one that JSON has no word for, such as infinity."""
    try:
        return json.dumps(list(dict.fromkeys(keys)), allow_nan=False)
    except ValueError:
        return None


def is_older(instant: str, ttl: timedelta | None) -> bool:
    """Whether a row's age exceeds the TTL; Feast's TTL is measured by the wall clock."""
    return ttl is not None and now() - as_datetime(instant) > ttl


def hide_what_is_too_old(view: FeatureView, vectors: Sequence[Any]) -> None:
    """Take values older than the view's TTL out of Feast's messages."""
    ttl = getattr(view, "ttl", None)
    for vector in vectors if ttl else ():
        for place, instant in enumerate(vector.event_timestamps):
            if vector.statuses[place] == PRESENT and now() - instant.ToDatetime(UTC) > ttl:
                vector.values[place].Clear()
                vector.statuses[place] = OUTSIDE_MAX_AGE


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
        A key is NaN: it equals nothing, and to SQLite it is no value.
    """
    try:
        connection.executemany(upsert(view, list(kinds(view)), table), rows)
    except sqlite3.IntegrityError as error:
        raise FeatureError(
            f"{view.name} has a row whose key is not a number (NaN): correct its source, or take it out there"
        ) from error


def flat(row: Row, keys: Mapping[str, Kind], fields: Sequence[tuple[str, Kind]]) -> list[Any]:
    """A pushed row as SQLite takes it: keys, its two instants, that it was pushed, its values."""
    key, values, instant, created = row
    plain = plain_key(key, keys)
    plain = plain if isinstance(plain, tuple) else (plain,)
    lacking = [name for name, value in zip(keys, plain, strict=True) if value is None or value != value]
    if instant is None or instant != instant:
        lacking.append("event timestamp")
    if lacking:
        shown = ", ".join(f"{name} {value!r}" for name, value in zip(keys, plain, strict=True))
        raise FeatureError(
            f"a row without a value of its type for {listed(lacking)} cannot be put online: {shown}"
        )
    return [
        *plain,
        stamp(instant),
        None if created is None or created != created else stamp(created),
        1,
        *(kind.kept(values[name]) for name, kind in fields),
    ]


def plain_key(key: EntityKey, keys: Mapping[str, Kind]) -> Any:
    """An entity key as SQLite keeps it: a value, or a tuple of them; None where it is no key of the view."""
    given = dict(zip(key.join_keys, key.entity_values, strict=True))
    plain = tuple(key_of(kind, given[name]) if name in given else None for name, kind in keys.items())
    return plain[0] if len(plain) == 1 else plain


def answer(reading: Reading, row: tuple[Any, ...]) -> Answer:
    """A row as Feast takes it."""
    instant, *values = row[reading.width :]
    if instant is None:
        return None, None
    named = zip(reading.features, reading.kinds, values, strict=True)
    return as_datetime(instant), {name: kind.message(kept) for name, kind, kept in named}
