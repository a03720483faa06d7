"""Rows of the online store as Redis holds them: a text each, and a key as the field of a hash.

A text is event timestamp, created timestamp and push mark in fixed places, then a line of JSON for each
feature, in the order of the document's columns.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ml.featurestore.online.server_rows import Table

INSTANT = slice(0, 26)
CREATED = slice(26, 52)
HEADER = slice(0, 52)
PUSHED, VALUES = 52, 53
BYTES = '{"bytes"'  # the only object that a value can be
LINE = "\n"  # between values: JSON has none within
# as wide as an instant, and before every one
NOT_CREATED = "0000-00-00T00:00:00.000000"


def field_of(key: Sequence[Any]) -> str:
    """A key as the field of a hash: one text as it is, else a JSON list."""
    if len(key) == 1 and type(key[0]) is str and not key[0].startswith("["):
        return key[0]
    return json.dumps([json_key(each) for each in key], ensure_ascii=False)


def json_key(key: Any) -> Any:
    if isinstance(key, bytes):
        return {"bytes": base64.b64encode(key).decode()}
    return 0.0 if isinstance(key, float) and key == 0 else key


def key_of_field(name: str) -> Sequence[Any]:
    return list(map(of_json, json.loads(name))) if name.startswith("[") else [name]


def text_of(header: Sequence[Any], values: Iterable[str]) -> str:
    """A row as one text."""
    instant, created, pushed = header
    return f"{instant}{created or NOT_CREATED}{'1' if pushed else '0'}" + LINE.join(values)


def json_of(value: Any) -> str:
    """A value as one line of JSON."""
    if isinstance(value, bytes):
        value = {"bytes": base64.b64encode(value).decode()}
    elif isinstance(value, bool):
        value = int(value)  # as in SQLite, which has no type for true and false
    return json.dumps(value, ensure_ascii=False)


def is_later(row: str, before: str, wins_ties: bool) -> bool:
    """Whether a row replaces the one before it, by event and created timestamp."""
    return row[HEADER] >= before[HEADER] if wins_ties else row[HEADER] > before[HEADER]


def is_pushed(row: str) -> bool:
    return row[PUSHED] == "1"


def places_of(table: Table, features: Sequence[str]) -> list[int]:
    """Where features are in the rows of a table."""
    names = {column[0]: place for place, column in enumerate(table["columns"]) if column}
    return [names[name] for name in features]


def decoded(texts: Sequence[str | None]) -> list[tuple[str, list[Any]] | None]:
    """The event timestamp and all values of rows, in the order in which they are stored; None of no row."""
    present = [text for text in texts if text is not None]
    content = f"[[{'],['.join(text[VALUES:] for text in present)}]]".replace(LINE, ",") if present else "[]"
    lists = json.loads(content)
    if BYTES in content:
        lists = [list(map(of_json, values)) for values in lists]
    values = iter(lists)
    return [None if text is None else (text[INSTANT], next(values)) for text in texts]


def arranged(rows: Sequence[tuple[str, list[Any]] | None], places: list[int]) -> list[Sequence[Any]]:
    """Event timestamp and the values at some places; all None where there is no row."""
    nothing, width = (None,) * (1 + len(places)), max(places, default=-1) + 1
    are_all = places == list(range(width))
    arranged_rows: list[Sequence[Any]] = []
    for row in rows:
        if row is None:
            arranged_rows.append(nothing)
            continue
        instant, values = row
        if len(values) < width:  # of before the last columns were added
            values = values + [None] * (width - len(values))
        if are_all and len(values) == width:
            arranged_rows.append((instant, *values))
        else:
            arranged_rows.append((instant, *[values[place] for place in places]))
    return arranged_rows


def of_json(value: Any) -> Any:
    return base64.b64decode(value["bytes"]) if type(value) is dict else value
