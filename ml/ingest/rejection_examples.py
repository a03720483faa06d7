"""An example for each reason: its most frequent text, the first row with it, and a hint."""

from collections.abc import Iterable
from typing import Any

import duckdb

from ml.common.sql import literal
from ml.ingest.batch import Batch
from ml.ingest.contract import Kind, Table
from ml.ingest.declaration import raw_table
from ml.ingest.hints import hint_about
from ml.ingest.merges import CLOSES_A_CIRCLE, MERGED_BEFORE
from ml.ingest.row_checks import INTO_ITSELF
from ml.ingest.workbooks import SHEET, cell_name

# A value up to this length leaves room for its row and hint in a line of a message.
TEXT_SHOWN = 60
BETWEEN_REASONS = "; "
OF_MERGES = (INTO_ITSELF, MERGED_BEFORE, CLOSES_A_CIRCLE)

# The first row in the order of files and rows is shown.
COMMONEST = """
select text, min({{'file': file, 'row': row}}) as first
from (select {text} as text, file, row from rejected where {with_reason})
group by text
order by count(*) desc, first
limit 1
"""


def find_examples(
    connection: duckdb.DuckDBPyConnection, reasons: dict[str, int], batches: dict[str, list[Batch]]
) -> list[dict[str, Any]]:
    """An example of each of ``reasons``, as ``count_reasons`` names them.

    Returns
    -------
    list of dict
        ``reason``, ``rows``, ``text`` (None if the value is missing, or the row is broken), ``file``, ``row``
        and ``hint`` (or None).
    """
    return [
        find_example(connection, reason, rows, batches[reason.partition(": ")[0]])
        for reason, rows in reasons.items()
    ]


def find_example(
    connection: duckdb.DuckDBPyConnection, name: str, rows: int, batches: Iterable[Batch]
) -> dict[str, Any]:
    """An example of one reason."""
    table_name, _, reason = name.partition(": ")
    table = raw_table(table_name)
    column = column_of(table, reason)
    split = f"list_contains(string_split(reason, {literal(BETWEEN_REASONS)}), {literal(reason)})"
    fields = {
        "text": raw_text(column, batches) if column else "null",
        "with_reason": f'"table" = {literal(table_name)} and {split}',
    }
    ((text, first),) = connection.execute(COMMONEST.format(**fields)).fetchall()
    kind = next((declared.kind for declared in table.columns if declared.name == column), Kind.TEXT)
    hint = hint_about(reason, kind, text) if text is not None else None
    example = {"reason": name, "rows": rows, "text": text, **first, "hint": hint}
    if SHEET in first["file"] and column:
        example["cell"] = cell_of(column, first, batches)
    return example


def cell_of(column: str, first: dict[str, Any], batches: Iterable[Batch]) -> str | None:
    """The cell of a row of a sheet, whose first column is A and whose header is row 1."""
    for batch in batches:
        if batch.label == first["file"] and column in batch.columns:
            return cell_name(first["row"], list(batch.columns).index(column))
    return None


def column_of(table: Table, reason: str) -> str | None:
    """The column of a reason; None for a line that is no row."""
    if table.reference and reason == table.reference.reason:
        return table.referring[0]
    if reason.startswith("conflicting copy of"):
        return table.key[0]
    if table.merges and reason in OF_MERGES:
        return table.key[0]
    name = reason.removeprefix("version changes ").split(" ")[0]
    return name if name in table.names else None


def raw_text(column: str, batches: Iterable[Batch]) -> str:
    """The SQL for a raw value in the content of a rejected row, under any of its names in the batches.

    A row of an earlier ingest may have another name; the contract's name is tried last.
    """
    names = dict.fromkeys(
        [*(batch.columns[column][0] for batch in batches if column in batch.columns), column]
    )
    pointers = [literal("/" + name.replace("~", "~0").replace("/", "~1")) for name in names]
    return f"coalesce({', '.join(f'content ->> {pointer}' for pointer in pointers)})"


def example_text(example: dict[str, Any]) -> str:
    """``'NULL' in orders.csv row 1``, then the hint."""
    text = example["text"]
    shown = "" if text is None else f"{quoted_text(text)} "
    hint = f": {example['hint']}" if example["hint"] else ""
    cell = example.get("cell")
    where = f", {cell}" if cell else f" row {example['row']}"
    return f"{shown}in {example['file']}{where}{hint}"


def quoted_text(text: str) -> str:
    """A value for a message: on one line, and shortened."""
    shortened = text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"
    return "'" + "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in shortened) + "'"
