"""CSV files with several line endings, as in files that were concatenated from others.

DuckDB reads files whose rows all end alike; it gets a copy of the others.
"""

import mmap
import re
from pathlib import Path
from typing import IO

from ml.common.errors import SourceError
from ml.ingest.broken_lines import row_pattern
from ml.ingest.compressed_files import open_unpacked, unpack
from ml.ingest.file_names import packing_of

BLOCK = 1 << 24  # bytes of one read: few calls, and little memory
RETURN, NEW_LINE = b"\r", b"\n"


def is_uneven(lines: IO[bytes]) -> bool:
    """Whether there are several line endings, within quotes or not."""
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
        Whether rows had several line endings; if not, no copy is needed.

    Raises
    ------
    SourceError
        A carriage return is in the middle of a row, outside quotes; or a quote is wrong.
    """
    row = re.compile(row_pattern(delimiter, "*+").pattern + rb"(\r\n|\n|\r|\Z)")
    ends: dict[bytes, int] = {}
    at = 0
    while at < len(text) and (row_match := row.match(text, at)):
        ends.setdefault(row_match[1], row_match.start(1))
        copy.write(text[at : row_match.start(1)] + NEW_LINE)
        at = row_match.end()
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


def with_even_line_ends(path: Path, copy: Path, delimiter: str, label: str) -> Path:
    """``path``, whose quotes are right, or a copy with one line ending."""
    with open_unpacked(path, label) as lines:
        if not is_uneven(lines):
            return path
    plain = path
    if packing_of(path.name) != "none":
        plain = unpack(path, copy.with_suffix(".unpacked"), label)
    with plain.open("rb") as file, copy.open("wb") as output:
        text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        is_needed = write_even(text, output, delimiter, label)
    return copy if is_needed else path
