"""The lines of a push: each a JSON object of one raw row, whose ``table`` names its raw table."""

from dataclasses import dataclass
from typing import Any

from ml.common.errors import UsageError
from ml.ingest.contract import Table
from ml.ingest.declaration import raw_tables
from ml.ingest.json_files import DECODER, DuplicateNames, json_text

LINES_MAX = 1_000  # of one push: an ingest is the way for more
TABLE = "table"


@dataclass(frozen=True)
class Line:
    """One line.

    Parameters
    ----------
    number : int
        From 1 on, blank lines counted.
    table : str, optional
        Its raw table; None if it names no declared one.
    text : str
        The row as a JSON object, its numbers as they were written.
    reason : str, optional
        Why no raw table can take it.
    """

    number: int
    table: str | None
    text: str
    reason: str | None = None


def read_lines(content: bytes, table: str | None) -> list[Line]:
    """The lines of a push that are not blank.

    Parameters
    ----------
    table : str, optional
        The raw table of lines that name none.

    Raises
    ------
    UsageError
        There are none, or more than a thousand, or they are not UTF-8.
    """
    try:
        texts = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError("the facts are not UTF-8") from error
    tables = {contract.name: contract for contract in raw_tables()}
    lines = [read_line(number, text, table, tables) for number, text in enumerate(texts, 1) if text.strip()]
    if not lines:
        raise UsageError("there are no facts: give one JSON object a line, each with its table")
    if len(lines) > LINES_MAX:
        raise UsageError(
            f"{len(lines):,} facts are more than the {LINES_MAX:,} of one push: send fewer, or ingest them"
        )
    return lines


def read_line(number: int, text: str, table: str | None, tables: dict[str, Table]) -> Line:
    """One line of JSON; ``table`` is its raw table where it names none."""
    try:
        row = DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return Line(number, None, text, "no JSON object")
    if isinstance(row, DuplicateNames):
        return Line(number, None, text, "a name stands twice in the object")
    name = row.pop(TABLE, table)
    if name not in tables:
        wrong = f"there is no raw table {name}" if name else "the object names no table"
        return Line(number, None, text, f"{wrong}: 'table' is one of {', '.join(tables)}")
    columns = {column.strip().lower(): value for column, value in row.items()}
    if len(columns) < len(row):
        return Line(number, None, text, "a name stands twice in the object")
    content = json_text(with_required(tables[str(name)], columns))
    if not is_unicode(content):
        return Line(number, None, text, "a text has half of a surrogate pair, which is no character")
    return Line(number, str(name), content)


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def with_required(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row with null for each required column that it lacks, so that the row is rejected, not the file."""
    missing = [column.name for column in table.columns if column.required and column.name not in row]
    return row | dict.fromkeys(missing)


__all__ = ["LINES_MAX", "Line", "read_lines"]
