"""JSON as CSV: files of one object per line, or of one array of objects, are copied to CSV.

Numbers are copied as text, so that no digit of an amount or of a long number is lost.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ml.common.errors import SourceError
from ml.ingest.broken_lines import NO_OBJECT, UNCLOSED, muted
from ml.ingest.compressed_files import open_unpacked

DELIMITER = ","
# More than the blanks before the first object.
START_BYTES = 1 << 16
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Number(str):
    """A number as written in the file."""

    __slots__ = ()


class DuplicateNames(dict[str, Any]):
    """An object that has a name twice, so that its value is ambiguous."""


def json_as_csv(path: Path, copy: Path, label: str) -> Path:
    """Write the objects of ``path`` to ``copy``, with every name as a column; return ``copy``.

    Raises
    ------
    SourceError
        It has no object, or an array that is not whole.
    """
    names = sorted({name for row in read_rows(path, label) if isinstance(row, dict) for name in row})
    if not names:
        raise SourceError(f"{label} holds no JSON object: write one object a line, or an array of objects")
    with copy.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = csv.writer(file, delimiter=DELIMITER, lineterminator="\n")
        writer.writerow(names)
        for row in read_rows(path, label):
            if isinstance(row, dict):
                writer.writerow([text_of(row[name]) if row.get(name) is not None else "" for name in names])
            else:
                file.flush()
                file.buffer.write(NO_OBJECT + muted(row, DELIMITER, UNCLOSED) + b"\n")
    return copy


def read_rows(path: Path, label: str) -> Iterator[dict[str, Any] | bytes]:
    """Every row of ``path``: an object, or the text of a row that is none."""
    with open_unpacked(path, label) as file:
        is_array = file.read(START_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"["
    with open_unpacked(path, label) as file:
        rows = read_array(file, label) if is_array else read_lines(file)
        for value, text in rows:
            is_row = isinstance(value, dict) and not isinstance(value, DuplicateNames)
            yield value if is_row else text


def read_lines(file: IO[bytes]) -> Iterator[tuple[Any, bytes]]:
    """Every line that is not blank: its value (None if it is no JSON) and its text."""
    for number, line in enumerate(file):
        text = (line.removeprefix(BYTE_ORDER_MARK) if number == 0 else line).strip()
        if not text:
            continue
        try:
            yield DECODER.decode(text.decode()), text
        except (ValueError, RecursionError):
            yield None, text


def read_array(file: IO[bytes], label: str) -> Iterator[tuple[Any, bytes]]:
    """Every element of the array in ``file``: its value and its text."""
    try:
        values = DECODER.decode(file.read().decode("utf-8-sig").strip())
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{label} cannot be read: it is no whole JSON array: {error}") from error
    for value in values:
        yield value, text_of(value).encode(errors="surrogatepass")


def whole_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its names and values."""
    values = dict(pairs)
    return values if len(values) == len(pairs) else DuplicateNames(values)


def text_of(value: Any) -> str:
    """A value as a cell of a CSV file: texts and numbers unchanged, all else as JSON."""
    text = value if isinstance(value, str) else json_text(value)
    return text.replace("\0", r"\u0000")


def json_text(value: Any) -> str:
    """A value as JSON, its numbers unchanged."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(name)}: {json_text(inner)}" for name, inner in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


DECODER = json.JSONDecoder(
    object_pairs_hook=whole_object, parse_float=Number, parse_int=Number, parse_constant=Number
)
