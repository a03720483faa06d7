"""A receipt for people: the value, its rows, the rows beside them, how long it holds.

Instants are UTC; in tables they are cut to the second, but within a second of the asked one.
"""

import re
from collections.abc import Iterator
from io import StringIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from ml.common.instants import format_instant
from ml.receipt.lines import Change, Entry, Findings, Receipt
from ml.receipt.row_text import in_words, value_in_words
from ml.receipt.tables import Tables

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
        self.receipt, self.say, self.tables = (
            receipt,
            console.print,
            Tables(receipt.as_of, console.width - INDENT[-1], with_load=receipt.is_appended),
        )

    def print(self) -> None:
        """Everything, from the value to whether the rows come to it."""
        receipt, entry = self.receipt, self.receipt.entry
        said, asked = value_in_words(entry, entry.published), format_instant(receipt.as_of)
        self.say(f"{entry.feature.name} of {receipt.customer_id} at {asked}: {said}")
        self.say(entry.feature.description)
        if not receipt.exists:
            self.say(self.nothing_known())
        for one in once_each(entry):
            if one.formula is not None:
                self.print_formula(one)
        for one in once_each(entry):
            if one.formula is None:
                self.print_rows(one)
        self.say()
        if entry.findings.moves:
            self.say("The value moves with the instant asked about; what it is made from:")
        self.print_grid(self.spans(entry.findings))
        self.say(self.verdict())

    def nothing_known(self) -> str:
        """Why everything is null."""
        who, first = self.receipt.customer_id, self.receipt.first_known_at
        if first is None:
            return f"Nothing about {who} is known by the data clock, so every feature is null."
        return f"Nothing about {who} was known before {format_instant(first)}, so every feature is null."

    def print_formula(self, entry: Entry) -> None:
        """A formula, with its parts' values put in."""
        name, formula = entry.feature.name, " ".join((entry.formula or "").split())
        values = {part.feature.name: value_in_words(part, part.findings.value) for part in entry.parts}
        values["asked_at"] = in_words(self.receipt.as_of)
        filled = NAME.sub(lambda word: values.get(word[0], word[0]), formula)
        result = value_in_words(entry, entry.findings.value)
        self.say()
        self.print_grid([(name, f"= {formula}"), ("", f"= {filled}"), ("", f"= {result}")])

    def print_rows(self, entry: Entry) -> None:
        """The rows of one stored feature, those that make it and those beside them."""
        self.say()
        if entry is not self.receipt.entry:
            self.say(f"{entry.feature.name}: {value_in_words(entry, entry.published)}")
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
        """Short lines under each other."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        for row in rows:
            grid.add_row(*row)
        self.say(grid)

    def spans(self, found: Findings) -> list[tuple[str, ...]]:
        """Since when a value holds, and until when it is exact."""
        clock, until = self.receipt.data_clock, found.until
        rows: list[tuple[str, ...]] = [("holds since", *described(found.since))] if found.since else []
        if until and until.instant <= clock:
            return [*rows, ("exact until", *described(until))]
        rows.append(
            ("exact until", format_instant(clock), "data clock: what becomes known later is not in it")
        )
        return [*rows, ("next change", *described(until))] if until else rows

    def verdict(self) -> str:
        """Whether the rows come to what the build says."""
        receipt, entry = self.receipt, self.receipt.entry
        if not receipt.matches:
            return f"MISMATCH: {receipt.breach()}."
        said = value_in_words(entry, entry.findings.value)
        return f"{receipt.build_id} says {said}, and so do the rows of {receipt.load_id}: they match."


def described(change: Change) -> tuple[str, str]:
    """When something changes, and what makes it change."""
    return format_instant(change.instant), change.because


def once_each(entry: Entry) -> Iterator[Entry]:
    """The entry and all its parts, each once."""
    seen: set[str] = set()
    waiting = [entry]
    while waiting:
        one = waiting.pop(0)
        if one.feature.name not in seen:
            seen.add(one.feature.name)
            waiting += one.parts
            yield one
