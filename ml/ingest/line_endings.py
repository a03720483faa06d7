"""Rows of one CSV file that end in several ways, as files do that were put together from others.

DuckDB reads files whose rows all end alike; of the others it is handed a copy.
"""

import mmap
import re
from pathlib import Path
from typing import IO

from ml.common.errors import SourceError
from ml.ingest.broken_lines import row_pattern
from ml.ingest.file_names import packing_of
from ml.ingest.packed import opened, unpack

BLOCK = 1 << 24
RETURN, NEW_LINE = b"\r", b"\n"


def is_uneven(lines: IO[bytes]) -> bool:
    """Whether there are line ends of more than one kind, within quotes or not."""
    both = new_lines = returns = 0
    before = b""
    while block := lines.read(BLOCK):
        both += block.count(RETURN + NEW_LINE) + (before == RETURN and block[:1] == NEW_LINE)
        new_lines += block.count(NEW_LINE)
        returns += block.count(RETURN)
        before = block[-1:]
    return sum([both > 0, new_lines > both, returns > both]) > 1


def write_even(text: mmap.mmap, copy: IO[bytes], delimiter: str, label: str) -> bool:
    """Write ``text`` with every row ending in a line feed; quoted text stays as it is.

    Returns
    -------
    bool
        Whether rows ended in several ways; if not, the file is good as it is.

    Raises
    ------
    SourceError
        A carriage return stands in the middle of a row, outside quotes; or a quote is wrong.
    """
    row = re.compile(row_pattern(delimiter, "*+").pattern + rb"(\r\n|\n|\r|\Z)")
    ends: dict[bytes, int] = {}
    at = 0
    while at < len(text) and (whole := row.match(text, at)):
        ends.setdefault(whole[1], whole.start(1))
        copy.write(text[at : whole.start(1)] + NEW_LINE)
        at = whole.end()
    if at < len(text):
        raise SourceError(f"{label} cannot be read: a quote in it hides the rows after it")
    ends.pop(b"", None)
    if RETURN in ends and len(ends) > 1:
        line = text[: ends[RETURN]].count(NEW_LINE) + 1
        raise SourceError(
            f"{label} has a carriage return in the middle of line {line}: "
            "put that value in quotes, or take the carriage return out"
        )
    return len(ends) > 1


def evened(path: Path, copy: Path, delimiter: str, label: str) -> Path:
    """``path``, whose quotes are right, or a copy whose rows all end alike."""
    with opened(path, label) as lines:
        if not is_uneven(lines):
            return path
    plain = path
    if packing_of(path.name) != "none":
        plain = unpack(path, copy.with_suffix(".unpacked"), label)
    with plain.open("rb") as file, copy.open("wb") as written:
        text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        is_needed = write_even(text, written, delimiter, label)
    return copy if is_needed else path
