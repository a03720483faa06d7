"""The tables of a receipt for people: raw rows that count, and those that do not; how values are shown."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from rich.table import Table

from ml.ingest.declaration import raw_table
from ml.receipt.receipt_lines import Entry, Line

# What a person reads on a screen or two; --json has every row.
MOST_ROWS = 50
# Blanks between columns.
WIDE, NARROW = 2, 1
SECOND = timedelta(seconds=1)
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
Row = tuple[str, ...]


class Tables:
    """Makes the tables of one receipt.

    Parameters
    ----------
    as_of : datetime
    width : int
        How many characters there is room for.
    with_load : bool
        Whether to name the ingest beside the file.
    """

    def __init__(self, as_of: datetime, width: int, *, with_load: bool) -> None:
        self.as_of, self.width, self.with_load = as_of, width, with_load

    def counted(self, entry: Entry) -> Table:
        """Every row that counts, with its items, and their total."""
        lines, more = entry.findings.counted[-MOST_ROWS:], len(entry.findings.counted) - MOST_ROWS
        ends = Counter(line.end for line in lines if line.end)
        usual = ends.most_common(1)[0][0] if ends else ""
        rows: list[Row] = []
        for line in lines:
            rows += [self.row(entry, line, self.end(line, usual)), *self.below(line)]
        if more > 0:
            rows.append(("", f"and {more:,} earlier rows (--json has all)"))
        if entry.findings.kind == "total":
            rows.append(("", "total", "", "", "", value_text(entry, entry.findings.value)))
        return table_of(rows, "Counts until" + (f"\n{usual}" if usual else ""), entry, self.width)

    def outside(self, entry: Entry) -> Table:
        """The nearest rows that do not count, in order of time."""
        rows = []
        for line_outside in sorted(
            entry.findings.outside, key=lambda line_outside: line_outside.at or datetime.min
        ):
            reason = line_outside.why + (
                f"\n{instant_near(line_outside.at, self.as_of)}" if line_outside.at else ""
            )
            rows.append(self.row(entry, line_outside.line, reason))
        return table_of(rows, "Why not", entry, self.width)

    def row(self, entry: Entry, line: Line, why: str) -> Row:
        """One line: when it happened, from when the company knew, and how much later than it happened."""
        occurred = [
            f"{name.removesuffix('_at')} {instant_near(when, self.as_of)}"
            for name, when in line.occurred.items()
        ]
        known = ""
        if line.known_at is not None:
            later = span_text(line.known_at - min(line.occurred.values(), default=line.known_at))
            known = instant_near(line.known_at, self.as_of) + (f" +{later}" if later else "")
        amount = value_text(entry, line.amount) if line.starts_at else ""
        return self.origin(line), line.subject, "\n".join(occurred), known, why, amount

    def origin(self, line: Line) -> str:
        """Where a line's row came from, and how often it was repeated."""
        if not line.origins:
            return ""
        first, *copies = line.origins
        repeated = f"\nand {len(copies)} {'copies' if copies[1:] else 'copy'}" if copies else ""
        ingest = f" of {first.load}" if self.with_load else ""
        return f"{first.file} {first.row}{ingest}{repeated}"

    def below(self, line: Line) -> list[Row]:
        """What belongs to a line: the items of an order with their quantities, or the order of an item."""
        rows: list[Row] = []
        for item in line.below:
            if item.table != raw_table("order_items").name:
                rows.append((self.origin(item), f"  in {item.subject}"))
                continue
            category = f" ({item.raw['category']})" if item.raw["category"] else ""
            what = f"  of which line {item.key['line_number']}{category}"
            rows.append((self.origin(item), what, "", "", "", f"({text_of(item.amount)})"))
        return rows

    def end(self, line: Line, usual: str) -> str:
        """Until when a line counts, and why no longer, unless it is the usual reason."""
        if line.ends_at is None:
            return "for good"
        return instant_near(line.ends_at, self.as_of) + (f"\n{line.end}" if line.end != usual else "")


def table_of(rows: list[Row], why: str, entry: Entry, width: int) -> Table:
    """Raw rows under their titles; where there is room no word is broken in the middle."""
    amount = "Amount" if entry.findings.kind == "total" else "Value"
    titles = ("File and row", "What", "Occurred", "Known", why, amount)
    longest = longest_parts([titles, *rows], str.split)
    has_room = sum(longest) + NARROW * len(titles) <= width
    unbroken = sum(longest_parts([titles, *rows], str.splitlines))
    gap = WIDE if unbroken + WIDE * len(titles) <= width else NARROW
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for title, min_width in zip(titles, longest, strict=True):
        table.add_column(title, overflow="fold", min_width=min_width if has_room else None)
    table.columns[-1].justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def longest_parts(rows: list[Row], parts_of: Callable[[str], list[str]]) -> list[int]:
    """The longest word, or line, of each column."""
    columns = zip_longest(*rows, fillvalue="")
    return [max((len(part) for cell in column for part in parts_of(cell)), default=0) for column in columns]


def value_text(entry: Entry, value: Any) -> str:
    """A value of the entry's feature; money with its cents."""
    is_money = isinstance(value, Decimal) and entry.feature.meta.get("unit") == "money"
    return text_of(value, 2 if is_money else 0)


def text_of(value: Any, decimals: int = 0) -> str:
    """Any value: no needless zeros, at least so many decimals, null as null."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(sep=" ")
        case Decimal():
            whole, _, fraction = f"{value:,f}".partition(".")
            fraction = fraction.rstrip("0").ljust(decimals, "0")
            return f"{whole}.{fraction}" if fraction else whole
        case float():
            return f"{value:,.6g}"
        case int():
            return f"{value:,}"
    return str(value)


def instant_near(instant: datetime, as_of: datetime) -> str:
    """An instant to the second, or to the microsecond where it is that close to the as-of instant."""
    timespec = "auto" if abs(instant - as_of) < SECOND else "seconds"
    return instant.isoformat(sep=" ", timespec=timespec)


def span_text(time: timedelta) -> str:
    """A span of time in its largest unit; empty if there is none."""
    seconds = time / SECOND
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return "<1s" if seconds > 0 else ""
