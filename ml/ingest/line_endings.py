"""Rows of one CSV file that end in several ways, as files do that were put together from others.

DuckDB reads files whose rows all end alike; of the others it is handed a copy.
"""

from pathlib import Path
from typing import IO

from ml.common.errors import SourceError
from ml.ingest.packed import opened

BLOCK = 1 << 24
QUOTE, RETURN, NEW_LINE = b'"', b"\r", b"\n"


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


def write_even(lines: IO[bytes], copy: IO[bytes], label: str) -> bool:
    """Write ``lines`` with every row ending in a line feed; quoted text stays as it is.

    Returns
    -------
    bool
        Whether rows ended in several ways; if not, the file is good as it is.

    Raises
    ------
    SourceError
        A carriage return stands in the middle of a row, outside quotes.
    """
    ends: set[bytes] = set()
    broken_by_return = 0
    is_quoted = False
    for number, line in enumerate(lines, 1):
        parts = line.split(QUOTE)
        outside = parts[1::2] if is_quoted else parts[::2]
        is_quoted ^= len(parts) % 2 == 0
        row, end = line, b""
        if not is_quoted and line.endswith(NEW_LINE):
            row = line.removesuffix(NEW_LINE).removesuffix(RETURN)
            end = line[len(row) :]
            ends.add(end)
            outside[-1] = outside[-1].removesuffix(end)
        if not broken_by_return and any(RETURN in part for part in outside):
            broken_by_return = number
        copy.write(row + NEW_LINE if end else row)
    if ends and broken_by_return:
        raise SourceError(
            f"{label} has a carriage return in the middle of line {broken_by_return}: "
            "put that value in quotes, or take the carriage return out"
        )
    return len(ends) > 1


def evened(path: Path, copy: Path, label: str) -> Path:
    """``path``, or a copy whose rows all end alike."""
    with opened(path, label) as lines:
        if not is_uneven(lines):
            return path
    with opened(path, label) as lines, copy.open("wb") as written:
        is_needed = write_even(lines, written, label)
    return copy if is_needed else path
