"""Excel workbooks as batches: one sheet is one table, each cell as the text that its value means.

Excel keeps every number as a float of 15 digits, so a whole number loses its fraction, and one of more
digits is no id any more: its row is rejected. The reader gives error values as empty cells; they are
read from the file itself, and their rows are rejected too.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from ml.common.errors import SourceError
from ml.common.sql import literal
from ml.ingest.batch import FILE, ROW, Batch, match_columns
from ml.ingest.casts import WHOLE_LIMIT
from ml.ingest.contract import Table

# Between the file and the sheet in the name of a batch; messages about its rows name cells.
SHEET = ", sheet "
NUMBER = "__number"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
TOO_LONG, ERROR = "has more than 15 digits, of which Excel keeps 15", "is an Excel error"
ROWS = """
create table {relation}_cells as select * from {relation}_arrow;
create view {relation} as
select * exclude ("__number"), {label} as {file}, "__number" as {row} from {relation}_cells
"""
BROKEN = """
create table {relation}_broken as
select {label} as file, row, reason, content::json as content from {relation}_faults
"""

Cells = list[list[Any]]


def open_workbook(path: Path, label: str) -> CalamineWorkbook:
    """The workbook of a file.

    Raises
    ------
    SourceError
        It is none, or has a password.
    """
    try:
        return CalamineWorkbook.from_path(str(path))
    except (CalamineError, OSError) as error:
        raise SourceError(
            f"{label} cannot be read as an Excel workbook: {error}: save it as .xlsx without a password"
        ) from error


def sheet_names(book: CalamineWorkbook) -> tuple[list[str], list[str]]:
    """The sheets of cells that are shown, and the hidden ones."""
    sheets = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    shown = [sheet.name for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible]
    return shown, [sheet.name for sheet in sheets if sheet.name not in shown]


def sheet_of(path: Path, label: str, table: str) -> str:
    """The sheet of a file that bears a table's name: the one called like the table, or the only one.

    Raises
    ------
    SourceError
        There are several, none of them called so.
    """
    shown, _ = sheet_names(open_workbook(path, label))
    named = [name for name in shown if name.strip().lower() == table]
    if len(named or shown) != 1:
        raise SourceError(
            f"{label} has the sheets {', '.join(shown) or 'none'}: name the one to be read {table}"
        )
    return (named or shown)[0]


def stage_sheet(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, file: str, sheet: str, relation: str
) -> Batch:
    """The rows of one sheet, numbered from the row below the header."""
    label = f"{file}{SHEET}{sheet}"
    cells = open_workbook(path, file).get_sheet_by_name(sheet)
    rows = cells.to_python(skip_empty_area=False)
    header = header_of(rows, cells.merged_cell_ranges or [], label)
    columns = match_columns(table, label, dict.fromkeys(header, "VARCHAR"))
    errors = error_cells(path, sheet)
    texts: dict[int, list[str | None]] = {}
    faults: list[dict[str, Any]] = []
    for number, values in numbered_rows(rows, errors):
        row = [text_of(value) for value in values[: len(header)]]
        at_fault = [
            f"{name} {fault}"
            for position, name in enumerate(header)
            if (fault := fault_of(values[position], errors.get((number, position))))
        ]
        if at_fault:
            shown = [errors.get((number, position), text) for position, text in enumerate(row)]
            content = json.dumps(dict(zip(header, shown, strict=True)), ensure_ascii=False)
            faults.append({"row": number, "reason": "; ".join(at_fault), "content": content})
        else:
            texts[number] = row
    stage_rows(connection, header, texts, relation, label)
    if not faults:
        return Batch(table, label, relation, columns)
    schema = pa.schema([("row", pa.int64()), ("reason", pa.string()), ("content", pa.string())])
    connection.register(f"{relation}_faults", pa.Table.from_pylist(faults, schema))
    connection.execute(BROKEN.format(relation=relation, label=literal(label)))
    connection.unregister(f"{relation}_faults")
    return Batch(table, label, relation, columns, f"{relation}_broken")


def stage_rows(
    connection: duckdb.DuckDBPyConnection,
    header: list[str],
    texts: dict[int, list[str | None]],
    relation: str,
    label: str,
) -> None:
    arrays = [
        pa.array([row[position] for row in texts.values()], pa.string()) for position in range(len(header))
    ]
    names = [*header, NUMBER]
    connection.register(
        f"{relation}_arrow", pa.table([*arrays, pa.array(list(texts), pa.int64())], names=names)
    )
    connection.execute(ROWS.format(relation=relation, label=literal(label), file=FILE, row=ROW))
    connection.unregister(f"{relation}_arrow")


def header_of(rows: Cells, merged: list[Any], label: str) -> list[str]:
    """The names in the first row, whose cells stand for themselves.

    Raises
    ------
    SourceError
        A name is missing above values, is there twice, or lies in a merged cell.
    """
    if not rows:
        raise SourceError(f"{label} is empty: a table without rows still needs its header")
    for (top, left), (_, right) in merged:
        if top == 0:
            cells = f"{cell_name(0, left)}:{cell_name(0, right)}"
            raise SourceError(f"{label}, {cells} is a merged header: split it, one name a column")
    names = [str(value).strip() for value in rows[0]]
    while names and not names[-1] and is_empty_column(rows, len(names) - 1):
        names.pop()
    if not any(names):
        raise SourceError(f"{label}, A1 is empty: the header must be in the first row")
    seen: dict[str, int] = {NUMBER: -1}
    for position, name in enumerate(names):
        cell = cell_name(0, position)
        if not name:
            raise SourceError(f"{label}, {cell} is an empty header: name the column, or delete it")
        before = seen.setdefault(name.lower(), position)
        if before != position:
            also = f", as is {cell_name(0, before)}" if before >= 0 else ""
            raise SourceError(f"{label}, {cell} is called {name}{also}: give each column a name of its own")
    return names


def is_empty_column(rows: Cells, position: int) -> bool:
    return all(row[position] == "" for row in rows)


def numbered_rows(rows: Cells, errors: dict[tuple[int, int], str]) -> Iterator[tuple[int, list[Any]]]:
    """The rows below the header, blank ones at the end left out."""
    with_errors = max((row for row, _ in errors), default=0)
    last = max((number for number, row in enumerate(rows) if any(map(is_filled, row))), default=0)
    for number in range(1, max(last, with_errors) + 1):
        yield number, rows[number]


def is_filled(value: Any) -> bool:
    return value != "" and not (isinstance(value, str) and not value.strip())


def text_of(value: Any) -> str | None:
    """A cell's value as the text of a CSV file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_LIMIT:
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if value != "" else None


def fault_of(value: Any, error: str | None) -> str | None:
    """Why a cell cannot be what was meant."""
    if error:
        return ERROR
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return TOO_LONG if is_number and abs(value) >= WHOLE_LIMIT else None


def error_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """The error values of a sheet, ``#N/A`` and the like, by row and column from 0."""
    with zipfile.ZipFile(path) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        targets = {relation.get("Id"): str(relation.get("Target")) for relation in relations}
        (target,) = (
            targets[node.get(RELATION)]
            for node in book.iter()
            if node.tag.endswith("}sheet") and node.get("name") == sheet
        )
        inner = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        text = archive.read(inner)
    # Most sheets have none, and need not be parsed a second time.
    if b't="e"' not in text:
        return {}
    cells = (node for node in ElementTree.fromstring(text).iter() if node.tag.endswith("}c"))
    return {
        position_of(str(cell.get("r"))): "".join(cell.itertext()) for cell in cells if cell.get("t") == "e"
    }


def position_of(cell: str) -> tuple[int, int]:
    """Row and column from 0 of ``B7``."""
    letters, digits = re.fullmatch(r"([A-Z]+)([0-9]+)", cell).groups()  # type: ignore[union-attr]
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(digits) - 1, column - 1


def cell_name(row: int, column: int) -> str:
    """``B7`` of a row and a column counted from 0."""
    letters, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row + 1}"
