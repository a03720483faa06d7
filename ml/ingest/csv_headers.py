"""The header of a CSV file: the names of the columns and the delimiter."""

import csv
import io
from pathlib import Path

from ml.common.errors import SourceError
from ml.ingest.compressed_files import open_unpacked

DELIMITERS = ",;\t|"
# More than any header has.
HEADER_BYTES = 1 << 16
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_header(path: Path, label: str) -> tuple[list[str], str]:
    """Column names of ``path`` and the delimiter between them.

    Raises
    ------
    SourceError
        The file is empty, or its beginning is no text or no header.
    """
    if path.stat().st_size == 0:
        raise SourceError(f"{label} is empty (0 bytes): a table without rows still needs its header")
    with open_unpacked(path, label) as file:
        start = file.read(HEADER_BYTES)
    if start.startswith(UTF16_MARKS):
        raise SourceError(
            f"{label} cannot be read: it is UTF-16 text: save it as UTF-8, or give --encoding utf-16"
        )
    if b"\0" in start:
        raise SourceError(f"{label} cannot be read: it is no UTF-8 text")
    text = start.decode("utf-8-sig", errors="replace")
    marks = "\t" if ".tsv" in path.name.lower() else DELIMITERS
    headers = [(next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), []), mark) for mark in marks]
    names, mark = max(headers, key=lambda header: len(header[0]))
    if not names:
        raise SourceError(f"{label} begins with a blank line: its first line must be the header")
    return names, mark


def unique_names(header: list[str]) -> list[str]:
    """Names a relation can have: none empty, none twice (SQL minds no case)."""
    names: list[str] = []
    for position, name in enumerate(header, 1):
        unique = name.strip() or f"column_{position}"
        used = {other.lower() for other in names}
        names.append(unique if unique.lower() not in used else f"{unique}_{position}")
    return names
