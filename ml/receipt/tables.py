"""The tables of a receipt for people: raw rows that count, and raw rows that do not."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from itertools import zip_longest

from rich.table import Table

from ml.ingest.contract import ORDER_ITEMS
from ml.receipt.lines import Entry, Line, Outside
from ml.receipt.row_text import in_words, instant_near, place_in_words, span_in_words, value_in_words

MOST_ROWS = 50
WIDE, NARROW = 2, 1
AMOUNTS = {"total": "Amount"}
Row = tuple[str, ...]


class Tables:
    """Makes the tables of one receipt.

    Parameters
    ----------
    asked : datetime
        The as-of instant.
    width : int
        How many columns of text there is room for.
    with_load : bool
        Whether to name the ingest beside the file.
    """

    def __init__(self, asked: datetime, width: int, *, with_load: bool) -> None:
        self.asked, self.width, self.with_load = asked, width, with_load

    def counted(self, entry: Entry) -> Table:
        """Every row that counts, with its items, and their total."""
        lines, more = entry.findings.counted[-MOST_ROWS:], len(entry.findings.counted) - MOST_ROWS
        ends = Counter(line.end for line in lines if line.end)
        usual = ends.most_common(1)[0][0] if ends else ""
        rows = [
            row for line in lines for row in (self.row(entry, line, self.end(line, usual)), *self.below(line))
        ]
        if more > 0:
            rows.append(("", f"and {more:,} earlier rows (--json has all)"))
        if entry.findings.kind == "total":
            rows.append(("", "total", "", "", "", value_in_words(entry, entry.findings.value)))
        return table_of(rows, "Counts until" + (f"\n{usual}" if usual else ""), entry, self.width)

    def outside(self, entry: Entry) -> Table:
        """The nearest rows that do not count, in order of time."""
        outside = sorted(entry.findings.outside, key=lambda one: one.at or datetime.min)
        rows = [self.row(entry, one.line, self.reason(one)) for one in outside]
        return table_of(rows, "Why not", entry, self.width)

    def row(self, entry: Entry, line: Line, why: str) -> Row:
        """One line."""
        occurred = [
            f"{name.removesuffix('_at')} {instant_near(when, self.asked)}"
            for name, when in line.occurred.items()
        ]
        amount = value_in_words(entry, line.amount) if line.starts_at else ""
        return self.place(line), line.subject, "\n".join(occurred), self.known(line), why, amount

    def place(self, line: Line) -> str:
        """Where the line's row came from."""
        return place_in_words(line, with_load=self.with_load)

    def below(self, line: Line) -> list[Row]:
        """What belongs to a line: the items of an order with their quantities, or the order of an item."""
        return [
            self.item(one) if one.table == ORDER_ITEMS.name else (self.place(one), f"  in {one.subject}")
            for one in line.below
        ]

    def item(self, item: Line) -> Row:
        """One item of an order."""
        category = f" ({item.raw['category']})" if item.raw["category"] else ""
        what = f"  of which line {item.key['line_number']}{category}"
        return self.place(item), what, "", "", "", f"({in_words(item.amount)})"

    def known(self, line: Line) -> str:
        """From when the company knew, and how much later than it happened that was."""
        if line.known_at is None:
            return ""
        later = span_in_words(line.known_at - min(line.occurred.values(), default=line.known_at))
        return instant_near(line.known_at, self.asked) + (f" +{later}" if later else "")

    def end(self, line: Line, usual: str) -> str:
        """Until when a line counts, and why no longer, unless it is the usual reason."""
        if line.ends_at is None:
            return "for good"
        return instant_near(line.ends_at, self.asked) + (f"\n{line.end}" if line.end != usual else "")

    def reason(self, one: Outside) -> str:
        """Why a line does not count, and since or until when."""
        return one.why + (f"\n{instant_near(one.at, self.asked)}" if one.at else "")


def table_of(rows: list[Row], why: str, entry: Entry, width: int) -> Table:
    """Raw rows under their titles; where there is room no word is broken in the middle."""
    titles = ("File and row", "What", "Occurred", "Known", why, AMOUNTS.get(entry.findings.kind, "Value"))
    longest = longest_parts([titles, *rows], str.split)
    has_room = sum(longest) + NARROW * len(titles) <= width
    unbroken = sum(longest_parts([titles, *rows], str.splitlines))
    gap = WIDE if unbroken + WIDE * len(titles) <= width else NARROW
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for title, least in zip(titles, longest, strict=True):
        table.add_column(title, overflow="fold", min_width=least if has_room else None)
    table.columns[-1].justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def longest_parts(rows: list[Row], parts_of: Callable[[str], list[str]]) -> list[int]:
    """The longest word, or line, of each column."""
    columns = zip_longest(*rows, fillvalue="")
    return [max((len(part) for cell in column for part in parts_of(cell)), default=0) for column in columns]
