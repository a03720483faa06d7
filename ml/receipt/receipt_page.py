"""A receipt for people: the value, its rows, the rows beside them, how long it holds.

Instants are UTC; in tables they are cut to the second, except within a second of the as-of instant.
"""

import re
from collections.abc import Iterator
from io import StringIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from ml.common.instants import format_instant
from ml.featurestore.formulas import AS_OF
from ml.receipt.receipt_lines import Change, Entry, Findings, Receipt
from ml.receipt.receipt_tables import Tables, text_of, value_text

NAME = re.compile(r"[a-z_]\w*", re.IGNORECASE)
INDENT = (0, 0, 0, 2)


def page(receipt: Receipt, width: int) -> str:
    """The receipt as text of at most ``width`` columns."""
    out = StringIO()
    console = Console(file=out, width=width, highlight=False, emoji=False, markup=False, no_color=True)
    Page(receipt, console).print()
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


class Page:
    """Prints one receipt."""

    def __init__(self, receipt: Receipt, console: Console) -> None:
        self.receipt, self.say = receipt, console.print
        self.tables = Tables(receipt.as_of, console.width - INDENT[-1], with_load=receipt.is_appended)

    def print(self) -> None:
        """Everything, from the value to whether the rows come to it."""
        receipt, entry = self.receipt, self.receipt.entry
        value, as_of = value_text(entry, entry.published), format_instant(receipt.as_of)
        self.say(f"{entry.feature.name} of {receipt.customer_id} at {as_of}: {value}")
        self.say(entry.feature.description)
        if receipt.first_known_at is None:
            self.say(
                f"Nothing about {receipt.customer_id} is known by the data clock, so every feature is null."
            )
        elif not receipt.exists:
            first = format_instant(receipt.first_known_at)
            self.say(
                f"Nothing about {receipt.customer_id} was known before {first}, so every feature is null."
            )
        entries = list(breadth_first(entry))
        for part in entries:
            if part.formula is not None:
                self.print_formula(part, part.formula)
        for part in entries:
            if part.formula is None:
                self.print_rows(part)
        self.say()
        if entry.findings.moves:
            self.say("The value moves with the as-of instant; what it is made from:")
        self.print_grid(self.spans(entry.findings))
        if receipt.matches:
            value = value_text(entry, entry.findings.value)
            self.say(f"{receipt.build_id} says {value}, and so do the rows of {receipt.load_id}: they match.")
        else:
            self.say(f"MISMATCH: {receipt.breach()}.")

    def print_formula(self, entry: Entry, formula: str) -> None:
        """A formula, with its parts' values put in."""
        formula = " ".join(formula.split())
        values = {part.feature.name: value_text(part, part.findings.value) for part in entry.parts}
        values[AS_OF] = text_of(self.receipt.as_of)
        with_values = NAME.sub(lambda word: values.get(word[0], word[0]), formula)
        result = value_text(entry, entry.findings.value)
        self.say()
        self.print_grid([(entry.feature.name, f"= {formula}"), ("", f"= {with_values}"), ("", f"= {result}")])

    def print_rows(self, entry: Entry) -> None:
        """The rows of one stored feature, those that make it and those beside them."""
        self.say()
        if entry is not self.receipt.entry:
            self.say(f"{entry.feature.name}: {value_text(entry, entry.published)}")
            self.print_grid(self.spans(entry.findings))
        if entry.findings.counted:
            self.say("Rows that make it:")
            self.say(Padding(self.tables.counted(entry), INDENT))
        elif self.receipt.exists:
            self.say("No row makes it.")
        if entry.findings.outside:
            self.say("Rows just outside:")
            self.say(Padding(self.tables.outside(entry), INDENT))

    def print_grid(self, rows: list[tuple[str, ...]]) -> None:
        grid = Table.grid(padding=(0, 2, 0, 0))
        for row in rows:
            grid.add_row(*row)
        self.say(grid)

    def spans(self, findings: Findings) -> list[tuple[str, ...]]:
        """Since when a value holds, and until when it is exact."""
        clock, until = self.receipt.data_clock, findings.until
        rows: list[tuple[str, ...]] = []
        if findings.since:
            rows.append(("holds since", *change_cells(findings.since)))
        if until and until.instant <= clock:
            return [*rows, ("exact until", *change_cells(until))]
        limit = "data clock: what becomes known later is not in it"
        rows.append(("exact until", format_instant(clock), limit))
        return [*rows, ("next change", *change_cells(until))] if until else rows


def change_cells(change: Change) -> tuple[str, str]:
    return format_instant(change.instant), change.because


def breadth_first(entry: Entry) -> Iterator[Entry]:
    """The entry and all its parts, each once, breadth first."""
    names: set[str] = set()
    queue = [entry]
    while queue:
        part = queue.pop(0)
        if part.feature.name not in names:
            names.add(part.feature.name)
            queue += part.parts
            yield part
