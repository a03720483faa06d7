"""Rows and words out of files of text: JSON, JSON lines, CSV, logs, and such files packed."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.common.durable_files import replacing
from ml.erasure.file_kinds import FileKind, inner_name, kind_of, unpacked
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.swapped_files import keep_mode

TEXTS = (FileKind.JSON, FileKind.JSON_LINES, FileKind.DELIMITED, FileKind.LINES, FileKind.GZIP, FileKind.ZSTD)
DELIMITERS = (",", ";", "\t", "|")


def erase_rows(path: Path, kind: FileKind, rows: RowsToErase) -> int | None:
    """Write a file of text anew; return how many rows or lines went or changed, None if nothing could go."""
    cleaned = without_rows(path.name, kind, path.read_bytes(), rows)
    if cleaned is None:
        return None
    content, count = cleaned
    with replacing(path, is_locked=True) as fresh:
        fresh.write_bytes(content)
        keep_mode(path, fresh)
    return count


def without_rows(name: str, kind: FileKind, content: bytes, rows: RowsToErase) -> tuple[bytes, int] | None:
    """The content without some rows and words, and how many went; None for a content that is no text."""
    if kind in (FileKind.GZIP, FileKind.ZSTD):
        return packed_again(name, kind, content, rows)
    if kind is FileKind.JSON:
        return json_without(content, rows)
    if kind is FileKind.DELIMITED:
        return delimited_without(content, rows)
    if kind in (FileKind.JSON_LINES, FileKind.LINES):
        return lines_without(content, rows)
    return None


def packed_again(name: str, kind: FileKind, content: bytes, rows: RowsToErase) -> tuple[bytes, int] | None:
    """The file inside without some rows, packed the same way."""
    for inside in (inside for _, inside in unpacked(kind, name, content)):
        inner = inner_name(name)
        if (cleaned := without_rows(inner, kind_of(inner, inside), inside, rows)) is None:
            return None
        if kind is FileKind.GZIP:
            return gzip.compress(cleaned[0]), cleaned[1]
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(cleaned[0])
        return sink.getvalue().to_pybytes(), cleaned[1]
    return None


def json_without(content: bytes, rows: RowsToErase) -> tuple[bytes, int] | None:
    """A JSON file without the person; several objects, one a line, are JSON lines."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return lines_without(content, rows)
    if isinstance(value, dict) and rows.is_of_person(value):
        return b"{}\n", 1
    cleaned = rows.cleaned(value)
    return json.dumps(cleaned, **style_of(content)).encode() + (b"\n" if content.endswith(b"\n") else b""), 1


def style_of(content: bytes) -> dict[str, Any]:
    """How a JSON file is written."""
    style: dict[str, Any] = {"ensure_ascii": content.isascii()}
    if content[1:4] == b"\n  ":
        style["indent"] = 2
    elif b'": ' not in content:
        style["separators"] = (",", ":")
    return style


def lines_without(content: bytes, rows: RowsToErase) -> tuple[bytes, int]:
    """Lines without those of the person; a JSON object of another that names the person loses the word."""
    kept, count = [], 0
    for line in content.splitlines(keepends=True):
        if (cleaned := line_without(line, rows)) != line:
            count += 1
        kept.append(cleaned)
    return b"".join(kept), count


def line_without(line: bytes, rows: RowsToErase) -> bytes:
    """A line as it stays: whole, without a word, or empty."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if isinstance(row, dict):
        if rows.is_of_person(row):
            return b""
        cleaned = rows.cleaned(row)
        if cleaned != row:
            end = line[len(line.rstrip(b"\r\n")) :]
            return json.dumps(cleaned, **style_of(line)).encode() + end
        return line
    return b"" if any(form in line for form in rows.forms) else line


def delimited_without(content: bytes, rows: RowsToErase) -> tuple[bytes, int]:
    """A CSV file without the person's rows; the bytes of the others stay as they are."""
    records = list(records_of(content))
    if not records:
        return content, 0
    header = records[0].decode("utf-8-sig", "replace")
    delimiter = max(DELIMITERS, key=header.count)
    names = next(csv.reader([header], delimiter=delimiter), [])
    bare = [name.strip().lower() for name in names]
    columns = {place: rows.keys[name] for place, name in enumerate(bare) if name in rows.keys}
    kept, count = [records[0]], 0
    for record in records[1:]:
        text = io.StringIO(record.decode("utf-8", "replace"), newline="")
        values = next(csv.reader(text, delimiter=delimiter), [])
        is_mine = any(place < len(values) and values[place] in keys for place, keys in columns.items())
        cleaned = b"" if is_mine else without_words(record, rows)
        count += cleaned != record
        kept.append(cleaned)
    return b"".join(kept), count


def without_words(record: bytes, rows: RowsToErase) -> bytes:
    """A record of another customer, without the person's words."""
    if not any(form in record for form in rows.forms):
        return record
    return rows.without_words_in(record.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def records_of(content: bytes) -> Iterator[bytes]:
    """The records of a CSV file: a quoted line break is none of their ends."""
    pending: list[bytes] = []
    for line in content.splitlines(keepends=True):
        pending.append(line)
        if is_closed(pending):
            yield b"".join(pending)
            pending = []
    if pending:
        yield b"".join(pending)


def is_closed(lines: Iterable[bytes]) -> bool:
    return sum(line.count(b'"') for line in lines) % 2 == 0
