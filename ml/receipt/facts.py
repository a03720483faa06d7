"""The facts behind a feature as lines: what each adds, from when until when, why, and which raw rows say so.

Amounts and intervals are the SQL that the build itself lists for the feature; nothing about any one feature
is said here.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from ml.ingest.contract import ORDERS, Table
from ml.receipt.customer_tables import CustomerTables, Row
from ml.receipt.edges import LEFT, REPLACED, WITHDRAWN
from ml.receipt.lines import Line
from ml.receipt.models import WORD, Contribution, Model
from ml.receipt.raw_rows import Version, read_items, read_versions, table_of

AMOUNT, STARTS, ENDS = "amount of the fact", "start of the fact", "end of the fact"
COLUMNS = f"""
*,
cast({{amount}} as {{type}}) as "{AMOUNT}",
cast({{starts}} as timestamp) as "{STARTS}",
cast({{ends}} as timestamp) as "{ENDS}"
"""


class Facts:
    """The facts of one customer.

    Parameters
    ----------
    tables : CustomerTables
    clock : datetime
        The data clock of the build: raw rows that were known later are not part of it.
    """

    def __init__(self, tables: CustomerTables, clock: datetime) -> None:
        self.tables, self.clock = tables, clock
        self.versions = cache(self.read_versions)
        self.items = cache(self.read_items)

    def read_versions(self, table: Table) -> dict[tuple[str, int], Version]:
        return read_versions(self.tables, table, self.clock)

    def read_items(self) -> dict[str, list[Line]]:
        return read_items(self.tables)

    def behind(self, model: Model, parts: list[Contribution]) -> tuple[list[Line], list[Line]]:
        """Every fact that a feature made of ``parts`` counts at some instant, or would but for its end.

        Then the other versions of the same kind of subject, which it never looks at.
        """
        lines: list[Line] = []
        kinds: set[Table] = set()
        for part in parts:
            asked = COLUMNS.format(
                amount=part.amount, type=part.type, starts=part.starts, ends=part.ends or "null"
            )
            columns, rows = self.tables.facts(model, part.facts, asked)
            table = table_of(columns)
            kinds |= {table} if table else set()
            lines += [self.line(part, row, table) for row in rows]
        named = {line.name for line in lines}
        others = [version.line() for table in kinds for version in self.versions(table).values()]
        return lines, [line for line in others if line.name not in named]

    def line(self, part: Contribution, row: Row, table: Table | None) -> Line:
        """One fact."""
        if table is None:
            return with_interval(self.first_item(part, row), part, row)
        version = self.versions(table)[row[table.key[0]], row["version_number"]]
        line = with_interval(version.line(), part, row, version.superseded_at)
        if "quantity" in WORD.findall(part.amount):
            return replace(line, below=tuple(self.items().get(row[ORDERS.key[0]], ())))
        return line

    def first_item(self, part: Contribution, row: Row) -> Line:
        """The item that made a category known first, over the order that brought it."""
        if "category" not in row:
            return Line(part.facts, {}, label=part.facts.replace("_", " "))
        bringing = [
            (item, version.line())
            for (order, number), version in self.versions(ORDERS).items()
            if number == 1 and version.said["known_at"] == row["known_at"]
            for item in self.items().get(order, ())
            if item.raw["category"] == row["category"]
        ]
        item, order = bringing[0]
        label = f"category {row['category']}"
        return replace(item, label=label, occurred=order.occurred, known_at=order.known_at, below=(order,))


def with_interval(line: Line, part: Contribution, row: Row, superseded_at: datetime | None = None) -> Line:
    """The line with what it adds, from when until when, and why."""
    starts, ends = row[STARTS], row[ENDS]
    edge, end = end_of(line, part, row, superseded_at) if ends else ("", "")
    return replace(
        line,
        amount=row[AMOUNT],
        starts_at=starts,
        ends_at=ends,
        start="known" if starts == line.known_at else happened(line, starts) or "counted",
        end=end,
        edge=edge,
    )


def end_of(line: Line, part: Contribution, row: Row, superseded_at: datetime | None) -> tuple[str, str]:
    """Over which edge a fact goes when it ends, and what makes it end then."""
    ends, (anchor, days) = row[ENDS], part.window or ("", 0)
    if anchor in row and row[anchor] and row[anchor] + timedelta(days=days) == ends:
        return LEFT, f"{days} days since {happened(line, row[anchor]) or anchor.removesuffix('_at')}"
    if ends == superseded_at:
        return REPLACED, f"replaced by version {(line.version or 0) + 1}"
    return WITHDRAWN, happened(line, ends) or "withdrawn"


def happened(line: Line, instant: datetime) -> str:
    """What happened to the subject at ``instant``, in a word; empty if nothing did."""
    found = [name for name, when in line.occurred.items() if when == instant]
    return found[0].removesuffix("_at") if found else ""
