"""How a value of each of Feast's types is kept in SQLite, and how it comes back.

Numbers, flags, texts and instants have a column of their own type, so that the file can be read with SQL.
What has no such form (bytes, lists, maps, ...) is kept as Feast's own message, and so is the rare value that
is not of its feature's type. In a column with a form, bytes are therefore always a message.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from feast import FeatureView, ValueType
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type

NOTHING = Value()


@dataclass(frozen=True)
class Kind:
    """A feature's type in the store.

    Parameters
    ----------
    name : str
        The column's type as the table declares it.
    field : str or None
        The field of Feast's ``Value`` that holds such a value; None where the whole message is kept.
    type : ValueType
        Feast's type.
    convert : callable or None
        From what is kept to what ``to_dict`` gives, where the two differ.
    """

    name: str
    field: str | None
    type: ValueType
    convert: Callable[[Any], Any] | None

    def kept(self, value: Value | None) -> Any:
        """A message as SQLite keeps it."""
        held = value.WhichOneof("val") if value is not None else None
        if value is None or held is None:
            return None
        if held != self.field:
            return value.SerializeToString()
        plain = getattr(value, held)
        return value.SerializeToString() if plain != plain else plain

    def message(self, kept: Any) -> Value:
        """What is kept, as Feast's message; nothing is the empty message."""
        if kept is None:
            return NOTHING
        if isinstance(kept, bytes):
            return Value.FromString(kept)
        content: dict[str, Any] = {str(self.field): bool(kept) if self.type is ValueType.BOOL else kept}
        return Value(**content)

    def python(self, column: Sequence[Any]) -> list[Any]:
        """A column of what is kept, as Feast's ``to_dict`` gives it."""
        if self.field is not None and bytes not in map(type, column):
            return list(map(self.convert, column)) if self.convert else list(column)
        return [feast_value_type_to_python_type(self.message(kept), self.type) for kept in column]


def moment(seconds: int | None) -> datetime | None:
    """An instant of whole seconds."""
    return None if seconds in (None, NO_INSTANT) else datetime.fromtimestamp(seconds, tz=UTC)  # type: ignore[arg-type]


NO_INSTANT = -(2**63)
FLAGS = {0: False, 1: True, None: None}
CONVERT: dict[ValueType, Callable[[Any], Any]] = {
    ValueType.BOOL: FLAGS.__getitem__,
    ValueType.UNIX_TIMESTAMP: moment,
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
    """How values of a type are kept."""
    name, field = FORMS.get(type_, (f"blob_{type_.name.lower()}", None))
    return Kind(name, field, type_, CONVERT.get(type_))


def kinds(view: FeatureView) -> dict[str, Kind]:
    """Feature name -> how it is kept; join keys, which a stream view has among its features, are none."""
    keys = set(view.join_keys)
    return {f.name: kind(f.dtype.to_value_type()) for f in view.features if f.name not in keys}


def key_kinds(view: FeatureView) -> dict[str, Kind]:
    """Join key -> how it is kept; keys of which Feast knows no type are kept as they come."""
    types = {column.name: column.dtype.to_value_type() for column in view.entity_columns}
    return {key: kind(types.get(key, ValueType.UNKNOWN)) for key in view.join_keys}


def key_of(kind_: Kind, value: Value) -> Any:
    """The value of a join key as SQLite keeps it; None where it is not of the key's type, so nobody has it.

    Numbers are not told apart by their width.
    """
    held = value.WhichOneof("val")
    plain = getattr(value, held) if held else None
    if kind_.field is None or held == kind_.field or {held, kind_.field} <= WHOLE:
        return plain
    return None


WHOLE = {"int32_val", "int64_val"}


def messages(column_kind: Kind, column: Iterable[Any]) -> list[Value]:
    """A column of what is kept, as Feast's messages."""
    return [column_kind.message(kept) for kept in column]
