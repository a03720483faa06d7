"""How values of each Feast type are stored in SQLite, and read back.

Numbers, flags, texts and instants have a column of their own type, so that the file can be read with SQL. All
other types (bytes, lists, maps, ...) are stored as Feast's own message, and so is the rare value that is not
of its feature's type. In a column of the first group, bytes are therefore always a message.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from feast import FeatureView, ValueType
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type

EMPTY_VALUE = Value()


@dataclass(frozen=True)
class Kind:
    """A feature's type in the store.

    Parameters
    ----------
    name : str
        The declared type of the column.
    field : str or None
        The field of Feast's ``Value`` for such a value; None if the whole message is stored.
    type : ValueType
        Feast's type.
    convert : callable or None
        From the stored value to that of ``to_dict``, if the two differ.
    """

    name: str
    field: str | None
    type: ValueType
    convert: Callable[[Any], Any] | None

    def stored(self, value: Value | None) -> Any:
        """A message in its stored form."""
        field = value.WhichOneof("val") if value is not None else None
        if value is None or field is None:
            return None
        if field != self.field:
            return value.SerializeToString()
        plain = getattr(value, field)
        return value.SerializeToString() if plain != plain else plain

    def message(self, stored: Any) -> Value:
        """A stored value as Feast's message; None is the empty message."""
        if stored is None:
            return EMPTY_VALUE
        if isinstance(stored, bytes):
            return Value.FromString(stored)
        content: dict[str, Any] = {str(self.field): bool(stored) if self.type is ValueType.BOOL else stored}
        return Value(**content)

    def python(self, column: Sequence[Any]) -> list[Any]:
        """A column of stored values, as Feast's ``to_dict`` returns it."""
        if self.field is not None and bytes not in map(type, column):
            return list(map(self.convert, column)) if self.convert else list(column)
        return [feast_value_type_to_python_type(self.message(stored), self.type) for stored in column]


def instant_of_seconds(seconds: int | None) -> datetime | None:
    """An instant of whole seconds."""
    return None if seconds in (None, NO_INSTANT) else datetime.fromtimestamp(seconds, tz=UTC)  # type: ignore[arg-type]


NO_INSTANT = -(2**63)
FLAGS = {0: False, 1: True, None: None}
CONVERT: dict[ValueType, Callable[[Any], Any]] = {
    ValueType.BOOL: FLAGS.__getitem__,
    ValueType.UNIX_TIMESTAMP: instant_of_seconds,
}
FORMS = {
    ValueType.INT64: ("integer", "int64_val"),
    ValueType.INT32: ("int32", "int32_val"),
    ValueType.DOUBLE: ("real", "double_val"),
    ValueType.FLOAT: ("float", "float_val"),
    ValueType.BOOL: ("integer", "bool_val"),
    ValueType.STRING: ("text", "string_val"),
    ValueType.UNIX_TIMESTAMP: ("unix_timestamp_int", "unix_timestamp_val"),
}


def kind(type_: ValueType) -> Kind:
    """How values of a type are stored."""
    name, field = FORMS.get(type_, (f"blob_{type_.name.lower()}", None))
    return Kind(name, field, type_, CONVERT.get(type_))


def kinds(view: FeatureView) -> dict[str, Kind]:
    """Feature name -> how it is stored; without join keys, which a stream view lists too."""
    keys = set(view.join_keys)
    return {f.name: kind(f.dtype.to_value_type()) for f in view.features if f.name not in keys}


def key_kinds(view: FeatureView) -> dict[str, Kind]:
    """Join key -> how it is stored; a key without a type in Feast is stored unchanged."""
    types = {column.name: column.dtype.to_value_type() for column in view.entity_columns}
    return {key: kind(types.get(key, ValueType.UNKNOWN)) for key in view.join_keys}


def key_of(kind_: Kind, value: Value) -> Any:
    """The stored form of a join key; None if the value is not of the key's type, so that no row has it.

    Integers of 32 and 64 bits are one type here.
    """
    field = value.WhichOneof("val")
    plain = getattr(value, field) if field else None
    if kind_.field is None or field == kind_.field or {field, kind_.field} <= INTEGER_FIELDS:
        return plain
    return None


INTEGER_FIELDS = {"int32_val", "int64_val"}


def messages(column_kind: Kind, column: Iterable[Any]) -> list[Value]:
    """A column of stored values, as Feast's messages."""
    return [column_kind.message(stored) for stored in column]
