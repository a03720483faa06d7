"""The facts behind a feature as lines: what each adds, from when until when, why, and from which raw rows.

Amounts and intervals are the SQL that the build itself lists for the feature; nothing here depends on any one
feature.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_table, raw_tables
from ml.receipt.nearest_rows import DELETED, LEFT, REPLACED, WITHDRAWN
from ml.receipt.raw_rows import Version, read_versions, table_of
from ml.receipt.receipt_lines import Line, by_time
from ml.warehouse.compiled_models import WORD, Contribution, Model
from ml.warehouse.customer_tables import CustomerTables, Merged, Row

# Names with blanks, which no column of a model has.
AMOUNT, VALUE = "amount of the fact", "value of the fact"
STARTS, ENDS = "start of the fact", "end of the fact"
# What a derived fact has beside what tells it from others.
OF_FACTS = {AMOUNT, VALUE, STARTS, ENDS, "customer_number", "known_at", "present_until"}
COLUMNS = f"""
*,
cast({{amount}} as {{type}}) as "{AMOUNT}",
{{value}} as "{VALUE}",
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
        self.merged = tables.merged(clock)
        self.versions = cache(self.read_versions)
        self.versions_of_items = cache(self.read_versions_of_items)

    def read_versions(self, table: Table) -> dict[tuple[Any, ...], Version]:
        return read_versions(self.tables, table, self.clock)

    def read_versions_of_items(self) -> dict[str, list[Version]]:
        """The versions of the items of every order."""
        by_order: dict[str, list[Version]] = {}
        for (order_id, *_), version in self.versions(raw_table("order_items")).items():
            by_order.setdefault(order_id, []).append(version)
        return by_order

    def behind(self, model: Model, parts: list[Contribution]) -> tuple[list[Line], list[Line]]:
        """Every fact that a feature made of ``parts`` counts at some instant, or would but for its end.

        Then the other versions of the same kind of subject, which it does not count at all. Both are sorted
        by instant and key.
        """
        lines: list[Line] = []
        tables: set[Table] = set()
        for part in parts:
            columns = COLUMNS.format(
                amount=part.amount,
                type=part.type,
                value=part.looked_up or "null",
                starts=part.starts,
                ends=part.ends or "null",
            )
            columns_of_facts, rows = self.tables.facts(model, part.facts, columns)
            table = table_of(columns_of_facts)
            tables |= {table} if table else set()
            lines += [self.line(model, part, row, table) for row in rows]
        names = {line.name for line in lines}
        others = [version.line() for table in tables for version in self.versions(table).values()]
        others = [line for line in others if line.name not in names]
        # DuckDB returns rows in any order; sorted, a receipt with ties is the same every time.
        return sorted(lines, key=by_time), sorted(others, key=by_time)

    def line(self, model: Model, part: Contribution, row: Row, table: Table | None) -> Line:
        """One fact."""
        if table is None:
            line = self.first_item(row) if "category" in row else self.derived_line(model, part, row)
            return self.with_interval(line, part, row)
        version = self.versions(table)[*(row[name] for name in table.key), row["version_number"]]
        if (parent := parent_of(table)) and table.reference:
            number = row[f"{table.reference.subject}_version_number"]
            parent_line = self.versions(parent)[row[parent.key[0]], number].line()
            item = replace(
                version.line(), occurred=parent_line.occurred, known_at=row["known_at"], below=(parent_line,)
            )
            return self.with_interval(item, part, row, version)
        line = self.with_interval(version.line(), part, row, version)
        if "quantity" in WORD.findall(part.amount):
            # Items without a clock of their own come and go with their order.
            items = self.versions_of_items().get(row["order_id"], ())
            return replace(line, below=tuple(item.line() for item in items if not item.staged["has_clock"]))
        return line

    def with_interval(self, line: Line, part: Contribution, row: Row, version: Version | None = None) -> Line:
        """The line with what it adds, from when until when, and why."""
        starts, ends = row[STARTS], row[ENDS]
        edge, end = end_of(line, part, row, version) if ends else ("", "")
        if ends and self.merged and ends == self.merged.at:
            edge, end = WITHDRAWN, merged_into(self.merged)
        moved_from = version.moved_from() if version and starts == line.known_at else None
        known = f"merged from {moved_from}" if moved_from else "known"
        return replace(
            line,
            amount=row[AMOUNT],
            looked_up=row[VALUE],
            starts_at=starts,
            ends_at=ends,
            start=known if starts == line.known_at else line.event_at(starts) or "counted",
            end=end,
            edge=edge,
        )

    def derived_line(self, model: Model, part: Contribution, row: Row) -> Line:
        """A fact that several raw rows make, such as a day with use, over the versions of those rows."""
        names = {parent.name for parent in self.tables.models.behind(model, part.facts)}
        own = {name: value for name, value in row.items() if name not in OF_FACTS}
        below = [
            version.line()
            for table in raw_tables()
            if f"stg_{table.name}" in names and own and {*own} <= {*table.names}
            for version in self.versions(table).values()
            if all(version.staged[name] == value for name, value in own.items())
        ]
        words = [
            part.facts.replace("_", " "),
            *(f"{value:%Y-%m-%d}" for value in own.values() if isinstance(value, datetime)),
        ]
        return Line(part.facts, own, label=" ".join(words), known_at=row.get("known_at"), below=tuple(below))

    def first_item(self, row: Row) -> Line:
        """The item that made a category known, over the order that brought it."""
        item, order = next(
            (item.line(), order.line())
            for (order_id, _), order in self.versions(raw_table("orders")).items()
            if order.staged["is_appearance"]
            for item in self.versions_of_items().get(order_id, ())
            if item.staged["category"] == row["category"]
            and max(order.staged["known_at"], item.staged["known_at"]) == row["known_at"]
        )
        label = f"category {row['category']}"
        return replace(item, label=label, occurred=order.occurred, known_at=row["known_at"], below=(order,))


def merged_into(merged: Merged) -> str:
    """Why a fact is no longer a customer's, in words."""
    return f"merged into {merged.into}"


def end_of(line: Line, part: Contribution, row: Row, version: Version | None) -> tuple[str, str]:
    """Over which edge a fact goes when it ends, and what makes it end then."""
    staged = version.staged if version else {}
    ends, (anchor, days) = row[ENDS], part.window or ("", 0)
    if anchor in row and row[anchor] and row[anchor] + timedelta(days=days) == ends:
        since = anchor if anchor in line.occurred else line.event_at(row[anchor]) or anchor
        return LEFT, f"{days} days since {since.removesuffix('_at').removesuffix('_on')}"
    if ends == staged.get("withdrawn_at"):
        return WITHDRAWN, DELETED
    if ends == staged.get("superseded_at"):
        return REPLACED, f"replaced by version {(line.version or 0) + 1}"
    if event := line.event_at(ends):
        return WITHDRAWN, event
    return WITHDRAWN, DELETED if ends == row.get("present_until") else "withdrawn"
