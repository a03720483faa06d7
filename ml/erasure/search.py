"""The search: every file of a home, for every form in which a person's key can stand there.

Each file is searched byte by byte as it lies on disk, so that free pages, logs beside a database and footers
are looked at too; then once more as what it is: columns of Parquet, SQLite and DuckDB files, files inside
packed ones. Names of files are searched as well.
"""

import json
import mmap
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ml.common.errors import TidemarkError
from ml.common.progress import SILENT, Progress
from ml.erasure.file_kinds import (
    COLUMNAR,
    PACKED,
    FileKind,
    distinct_texts,
    kind_of,
    kind_of_file,
    text_columns,
    unpacked,
)
from ml.erasure.person import find_person
from ml.erasure.rows_to_erase import LIST
from ml.erasure.search_terms import Terms, search_terms
from ml.home.erased_keys import FILE as ERASED
from ml.home.layout import Home

BROKEN = (pa.ArrowException, sqlite3.Error, duckdb.Error, OSError)
NAME = "name of the file"


@dataclass(frozen=True, order=True)
class Hit:
    """A file in which a person was found, and how the key is written there."""

    file: str
    form: str


@dataclass
class Found:
    """What a search read and found.

    Parameters
    ----------
    files, bytes : int
        Read; of packed files and columns also what they hold.
    hits : list of Hit
    unread : list of str
        Files whose columns could not be read, for they are not whole: of them the bytes alone were searched.
    """

    files: int = 0
    bytes: int = 0
    hits: list[Hit] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def search(
    customer: str, *, home: Home | str | Path | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Look for a customer in every file of a home.

    Returns
    -------
    dict
        ``files`` and ``bytes`` (read), ``kind`` (bytes, values, or both), ``hits`` (a list of ``file`` and
        ``form``), ``unread`` (files that are not whole, of which the bytes alone were searched).
    """
    home = Home.at(home)
    terms = search_terms(home, find_person(home, customer))
    return as_result(search_home(home, terms, progress), terms)


def as_result(found: Found, terms: Terms) -> dict[str, Any]:
    """A search as plain values."""
    hits = [{"file": hit.file, "form": hit.form} for hit in sorted(set(found.hits))]
    return {
        "files": found.files,
        "bytes": found.bytes,
        "kind": terms.kind,
        "hits": hits,
        "unread": found.unread,
    }


def search_home(home: Home, terms: Terms, progress: Progress = SILENT) -> Found:
    """Look for the terms in every file of a home."""
    found = Found()
    files = list(files_in(home.root))
    with progress.bar("Searching", len(files)) as bar:
        for path in files:
            bar.step()
            search_file(path, home.root, terms, found)
    return found


def files_in(root: Path) -> Iterator[Path]:
    """Every file below a folder, hidden ones too; links are followed by nobody, for they stay in the home."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file():
                yield path


def search_file(path: Path, root: Path, terms: Terms, found: Found) -> None:
    """Look for the terms in one file: in its name, its bytes, and what it holds."""
    name = path.relative_to(root).as_posix()
    forms = {f"{NAME}: {form}" for form in forms_in(os.fsencode(name), terms)}
    size = path.stat().st_size
    found.files += 1
    found.bytes += size
    if size and name != ERASED:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            forms |= forms_in(content, terms)
        forms |= forms_within(path, terms, found)
    found.hits += [Hit(name, form) for form in sorted(forms)]


def forms_in(content: Any, terms: Terms) -> set[str]:
    """The forms of the terms that stand in some bytes."""
    return {form for needle, form in terms.needles.items() if content.find(needle) >= 0}


def forms_within(path: Path, terms: Terms, found: Found) -> set[str]:
    """The forms that stand in what a file holds, beside its bytes on disk.

    Raises
    ------
    TidemarkError
        It is dbt's database, and another process has it open.
    """
    kind = kind_of_file(path)
    if kind in COLUMNAR:
        try:
            return forms_in_columns(kind, path, terms, found)
        except BROKEN as error:
            if kind is FileKind.DUCKDB and "lock" in str(error).lower():
                raise TidemarkError(f"{path} is open in another process: end that, then try again") from error
            found.unread.append(str(path))
            return set()
    if kind in PACKED:
        return forms_in_packed(kind, path.name, path.read_bytes(), terms, found)
    if terms.by_value:
        return values_in_text(kind, path.name, path.read_bytes(), terms)
    return set()


def forms_in_columns(kind: FileKind, path: Path, terms: Terms, found: Found) -> set[str]:
    """The forms in the columns of text of a file."""
    forms: set[str] = set()
    for name, values in text_columns(kind, path):
        texts = distinct_texts(values)
        # Between two values a byte that no text has.
        content = b"\xff".join(texts)
        found.bytes += len(content)
        forms |= forms_in(content, terms)
        if terms.by_value:
            forms |= values_in_column(name, texts, terms)
    return forms


def values_in_column(name: str, texts: list[bytes], terms: Terms) -> set[str]:
    """Whether a column that names customers has one of the keys, or JSON in any column does."""
    keys = {key.encode("utf-8", "surrogatepass") for key in terms.by_value}
    if name.lower() in terms.names and not keys.isdisjoint(texts):
        return {f"value of {name}"}
    for text in texts:
        is_json = text[:1] in (b"{", b"[") and any(key in text for key in keys)
        if is_json and is_named_in(parsed(text), terms, name):
            return {f"value in the JSON of {name}"}
    return set()


def parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_named_in(value: Any, terms: Terms, name: str = "", is_in_list: bool = False) -> bool:
    """Whether JSON has one of the keys under a name of customers."""
    if isinstance(value, dict):
        return any(is_named_in(inner, terms, key) for key, inner in value.items())
    if isinstance(value, list):
        return any(is_named_in(inner, terms, name, is_in_list=True) for inner in value)
    if isinstance(value, str) and value[:1] in ("{", "["):
        return is_named_in(parsed(value.encode("utf-8", "surrogatepass")), terms, name)
    is_key = isinstance(value, str | int) and not isinstance(value, bool) and str(value) in terms.by_value
    # A number under 'customers' counts them.
    return is_key and name.strip().lower() in terms.names and (is_in_list or name.lower() != LIST)


def values_in_text(kind: FileKind, name: str, content: bytes, terms: Terms) -> set[str]:
    """Whether a file of JSON, JSON lines or CSV has one of the keys under a name of customers."""
    if kind is FileKind.JSON:
        lines: Iterable[bytes] = [content]
        if parsed(content) is None:  # several objects, one a line
            lines = content.splitlines()
    elif kind is FileKind.JSON_LINES:
        lines = content.splitlines()
    elif kind is FileKind.DELIMITED:
        return values_in_csv(content, terms)
    else:
        return set()
    return {"value in JSON"} if any(is_named_in(parsed(line), terms) for line in lines) else set()


def values_in_csv(content: bytes, terms: Terms) -> set[str]:
    """Whether a column of a CSV file that names customers has one of the keys."""
    import csv
    import io

    text = io.StringIO(content.decode("utf-8-sig", "replace"), newline="")
    header = text.readline()
    delimiter = max((",", ";", "\t", "|"), key=header.count)
    names = next(csv.reader([header], delimiter=delimiter), [])
    places = [place for place, name in enumerate(names) if name.strip().lower() in terms.names]
    for row in csv.reader(text, delimiter=delimiter):
        if any(place < len(row) and row[place] in terms.by_value for place in places):
            return {"value in CSV"}
    return set()


def forms_in_packed(kind: FileKind, name: str, content: bytes, terms: Terms, found: Found) -> set[str]:
    """The forms in the files inside a packed one."""
    forms: set[str] = set()
    for inner, inside in unpacked(kind, name, content):
        found.bytes += len(inside)
        forms |= {f"{form}, inside {kind.value}" for form in forms_in(inside, terms)}
        inner_kind = kind_of(inner, inside[:65_536])
        if inner_kind in PACKED:
            forms |= forms_in_packed(inner_kind, inner, inside, terms, found)
        elif terms.by_value:
            forms |= values_in_text(inner_kind, inner, inside, terms)
    return forms


__all__ = ["Found", "Hit", "search", "search_home"]
