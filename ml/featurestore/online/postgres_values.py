"""Values of the online store as PostgreSQL holds them: in columns of their types, or as JSON beside them."""

import base64
import json
from collections.abc import Sequence
from typing import Any

TYPES = {
    "integer": "bigint",
    "int32": "integer",
    "real": "double precision",
    "float": "real",
    "text": 'text collate "C"',  # the order of bytes, as everywhere else; and the quickest
    "unix_timestamp_int": "bigint",
}


def stored_row(row: Sequence[Any], features: Sequence[str]) -> Sequence[Any]:
    """A row as it was written: event timestamp and values, of event timestamp, other values, values."""
    instant, other, *values = row
    if other:
        for name, value in json.loads(other).items():
            if name in features:
                values[features.index(name)] = of_json(value)
    return instant, *values


def fits(value: Any, type_: str) -> bool:
    """Whether the column of a feature can have a value."""
    if isinstance(value, bytes):
        return type_ not in TYPES
    return not isinstance(value, str) or "\0" not in value


def as_json(value: Any) -> Any:
    """A value that does not fit its column, as base64: bytes, or a text with a zero character."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return {"text": base64.b64encode(value.encode()).decode()}


def of_json(value: dict[str, str]) -> Any:
    ((kind, text),) = value.items()
    content = base64.b64decode(text)
    return content if kind == "bytes" else content.decode()


def plain(key: Any) -> Any:
    """A key in a form that PostgreSQL takes."""
    if isinstance(key, str):
        return escaped(key)
    return int(key) if isinstance(key, bool) else key


def escaped(key: str) -> str:
    r"""A text that PostgreSQL can hold: the zero character, which it cannot, is \0 and \ is \\."""
    return key.replace("\\", "\\\\").replace("\0", "\\0") if "\\" in key or "\0" in key else key


def unescaped(key: Any) -> Any:
    if not isinstance(key, str) or "\\" not in key:
        return key
    return "\\".join(part.replace("\\0", "\0") for part in key.split("\\\\"))


def type_of(type_: str) -> str:
    return TYPES.get(type_, "bytea")
