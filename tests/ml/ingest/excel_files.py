"""Excel workbooks written cell by cell, as Excel itself would never let one: errors, serial dates, merges."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# Cells with this style are dates.
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


@dataclass(frozen=True)
class Serial:
    """A date as Excel stores it: days since the end of 1899, or since 1904."""

    days: float


@dataclass(frozen=True)
class Error:
    """An error value."""

    text: str


@dataclass
class Sheet:
    """Rows of values; None is an empty cell."""

    rows: list[list[object]]
    hidden: bool = False
    merged: list[str] = field(default_factory=list)


def write_workbook(path: Path, sheets: dict[str, Sheet], date1904: bool = False) -> Path:
    """Write ``sheets`` by name."""
    numbers = range(1, len(sheets) + 1)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" state="{"hidden" if sheet.hidden else "visible"}" r:id="r{n}"/>'
        for n, (name, sheet) in zip(numbers, sheets.items(), strict=True)
    )
    targets = {f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in numbers}
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": relations_xml({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
        f'<workbookPr date1904="{int(date1904)}"/><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations_xml({**targets, "styles": ("styles", "styles.xml")}),
        "xl/styles.xml": STYLES,
    }
    for n, sheet in zip(numbers, sheets.values(), strict=True):
        parts[f"xl/worksheets/sheet{n}.xml"] = sheet_xml(sheet)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def relations_xml(targets: dict[str, tuple[str, str]]) -> str:
    relations = "".join(
        f'<Relationship Id="{name}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{relations}</Relationships>'


def sheet_xml(sheet: Sheet) -> str:
    rows = "".join(
        f'<row r="{n}">{"".join(cell_xml(f"{chr(65 + c)}{n}", value) for c, value in enumerate(row))}</row>'
        for n, row in enumerate(sheet.rows, 1)
    )
    merged = "".join(f'<mergeCell ref="{cells}"/>' for cells in sheet.merged)
    merges = f"<mergeCells>{merged}</mergeCells>" if merged else ""
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{merges}</worksheet>'


def cell_xml(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{name}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, Serial):
        return f'<c r="{name}" s="1"><v>{value.days!r}</v></c>'
    if isinstance(value, Error):
        return f'<c r="{name}" t="e"><v>{value.text}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{name}"><v>{value!r}</v></c>'
    return f'<c r="{name}" t="inlineStr"><is><t>{value}</t></is></c>'
