"""One value with the raw rows behind it, and the nearest that do not count."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from ml.common.instants import format_instant
from ml.page.document import code, header, join_parts, notes, paragraph, section, soft, table
from ml.page.number_text import NOTHING
from ml.receipt.receipt_lines import Change, Entry, Findings, Line, Receipt
from ml.receipt.receipt_page import breadth_first
from ml.receipt.receipt_tables import text_of, value_text
from ml.serve.pages.customer_list import customer_address
from ml.serve.pages.values_as_text import instant_or_none, instant_text, key_text

ROWS_MAX = 200  # of one feature; the JSON of a receipt has all


def receipt_page(receipt: Receipt, as_of: datetime | None, served_at: datetime) -> Markup:
    """The page.

    Parameters
    ----------
    as_of : datetime, optional
        The instant asked about.
    served_at : datetime
        That of the scores which are served; the link back leads to it or to ``as_of``.
    """
    entry = receipt.entry
    about = f"As of {instant_text(receipt.as_of)} UTC, {receipt.build_id}."
    is_past = as_of is not None and as_of != served_at
    back = Markup('<p><a href="{}">Customer <span class="key">{}</span></a></p>').format(
        customer_address(receipt.customer_id, as_of=format_instant(receipt.as_of) if is_past else ""),
        key_text(receipt.customer_id),
    )
    entries = list(breadth_first(entry))
    return join_parts(
        back,
        header(
            f"{entry.feature.name}: {shown(entry, entry.published)}",
            about,
            "good" if receipt.matches else "bad",
        ),
        paragraph(entry.feature.description),
        *existence(receipt),
        *matching(receipt),
        *formula_of(entry),
        *holds(receipt, entry.findings),
        *(
            section(part.feature.name, heading(part), *rows_of(part, receipt))
            for part in entries
            if part.formula is None
        ),
    )


def shown(entry: Entry, value: Any) -> str:
    """A value of a feature; a dash for none."""
    return NOTHING if value is None else value_text(entry, value)


def existence(receipt: Receipt) -> list[Markup]:
    """Why every feature is empty, where nothing was known."""
    if receipt.exists:
        return []
    known = receipt.first_known_at
    text = (
        f"Nothing about this customer was known before {instant_text(known)}, so every feature is empty."
        if known
        else "Nothing about this customer is known by the data clock, so every feature is empty."
    )
    return [notes([("dull", "Nothing known.", text)])]


def matching(receipt: Receipt) -> list[Markup]:
    """Whether the rows come to the value."""
    if receipt.matches:
        text = "The rows below come to the value that is published."
        return [notes([("good", "They match.", text)])]
    return [notes([("bad", "They do not match.", f"{receipt.breach()}.")])]


def formula_of(entry: Entry) -> list[Markup]:
    """The formulas, each with the values of its parts."""
    parts: list[Markup] = []
    for part in breadth_first(entry):
        if part.formula is not None:
            values = ", ".join(
                f"{used.feature.name} = {shown(used, used.findings.value)}" for used in part.parts
            )
            parts.append(code(f"{part.feature.name} = {' '.join(part.formula.split())}"))
            if values:
                parts.append(soft(f"with {values}"))
    return parts


def holds(receipt: Receipt, findings: Findings) -> list[Markup]:
    """Since when the value holds, and until when."""
    sentences = []
    if findings.since:
        sentences.append(f"It holds since {change_text(findings.since)}.")
    if findings.until:
        sentences.append(f"It changes next at {change_text(findings.until)}.")
    if findings.moves:
        sentences.append("It moves with the instant; this is about what it is made from.")
    return [paragraph(" ".join(sentences))] if sentences else []


def change_text(change: Change) -> str:
    return f"{instant_text(change.instant)} ({change.because})"


def heading(entry: Entry) -> str:
    return f"{entry.feature.name}: {shown(entry, entry.findings.value)}"


def rows_of(entry: Entry, receipt: Receipt) -> Iterator[Markup]:
    """The rows that make one stored feature, and those beside them."""
    rows = entry.findings.counted
    if rows:
        yield rows_table(entry, rows[-ROWS_MAX:], receipt)
        if len(rows) > ROWS_MAX:
            yield soft(
                f"{len(rows) - ROWS_MAX:,} earlier rows are not shown; the JSON of this receipt has all."
            )
    elif receipt.exists:
        yield paragraph("No row makes it.")
    outside = sorted(entry.findings.outside, key=lambda row: row.at or datetime.min)
    if outside:
        yield soft("The nearest rows that do not count:")
        names = ("what", "occurred", "known since", "why not", "file and row")
        cells = [
            [
                row.line.subject,
                occurred(row.line),
                instant_or_none(row.line.known_at),
                row.why + (f", {instant_text(row.at)}" if row.at else ""),
                origin(row.line, receipt.is_appended),
            ]
            for row in outside
        ]
        yield table(names, cells, texts=range(len(names)))


def rows_table(entry: Entry, rows: Sequence[Line], receipt: Receipt) -> Markup:
    """The rows that count, with what each adds."""
    amount = "adds" if entry.findings.kind == "total" else "value"
    names = ("what", "occurred", "known since", "counts until", "file and row", amount)
    cells = [
        [
            line.subject,
            occurred(line),
            instant_or_none(line.known_at),
            f"{instant_text(line.ends_at)}, {line.end}" if line.ends_at else "for good",
            origin(line, receipt.is_appended),
            shown(entry, line.amount),
        ]
        for line in rows
    ]
    if entry.findings.kind == "total":
        cells.append(["total", "", "", "", "", shown(entry, entry.findings.value)])
    return table(names, cells, texts=range(len(names) - 1))


def occurred(line: Line) -> str:
    """What happened when."""
    return ", ".join(
        f"{name.removesuffix('_at')} {instant_text(instant)}" for name, instant in line.occurred.items()
    )


def origin(line: Line, with_load: bool) -> str:
    """The file and the row that a line came from; of a file only its name."""
    if not line.origins:
        return NOTHING
    first, *copies = line.origins
    ingest = f" of {first.load}" if with_load else ""
    repeated = f" and {len(copies)} {'copies' if copies[1:] else 'copy'}" if copies else ""
    return f"{file_name(first.file)}, row {text_of(first.row)}{ingest}{repeated}"


def file_name(label: str) -> str:
    """A file as it is named below the folder it was read from; never a path from the root."""
    if label.startswith("/") or "://" in label:
        return label.partition("?")[0].rsplit("/", 1)[-1]
    return label
