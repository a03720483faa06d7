"""Raw rows behind the versions of facts: which file and row brought each version, and which are copies."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml.ingest.contract import Table
from ml.ingest.declaration import raw_tables
from ml.receipt.receipt_lines import Line, Origin
from ml.warehouse.customer_tables import CustomerTables, Row

# A raw row belongs to the latest version recorded by then: the first row of a version brings it, the others
# repeat it.
ROWS_OF_VERSIONS = """
with

recorded as (
    select *, {recorded_at} as recorded_at
    from {raw}
    where {is_known}
)

select versions.version_number, recorded.*
from recorded
asof inner join {versions} as versions
    on {same_key} and recorded.recorded_at >= versions.{of_version}
order by {key}, recorded.recorded_at, recorded._load, recorded._file, recorded._row
"""


@dataclass(frozen=True)
class Version:
    """One version of one subject: its row in staging, and the raw rows that brought it, in order."""

    table: Table
    staged: Row
    rows: tuple[Row, ...]

    def moved_from(self) -> str | None:
        """Under whose key it was delivered, if a merge moved it here after it was known; else None."""
        first, clocks = self.rows[0], self.table.clocks
        if not self.table.customer or first[self.table.customer] == self.staged[self.table.customer]:
            return None
        known = max(first[clock] for clock in clocks if first[clock] is not None)
        return first[self.table.customer] if known < self.staged["known_at"] else None

    def line(self) -> Line:
        """The version as a line of a receipt; what it adds is left open."""
        table, staged = self.table, self.staged
        instants = [name for name in table.instants if name != table.version]
        return Line(
            table.name,
            {name: staged[name] for name in table.key},
            staged["version_number"] if staged.get("has_clock", True) else None,
            tuple(Origin(row["_load"], row["_file"], row["_row"]) for row in self.rows),
            {name: staged[name] for name in instants if staged.get(name)},
            None if table.customer is None else staged["known_at"],
            amount=staged.get("quantity"),
            raw={name: self.rows[0][name] for name in table.names if name not in table.personal},
        )


def table_of(columns: set[str]) -> Table | None:
    """The raw table whose versions have ``columns``; None if they are no versions of a raw table."""
    if "version_number" not in columns:
        return None
    tables = [
        table
        for table in raw_tables()
        if table.version and {*table.key} <= columns and not table.is_of_customers
    ]
    return max(tables, key=lambda table: len(table.key), default=None)


def read_versions(tables: CustomerTables, table: Table, clock: datetime) -> dict[tuple[Any, ...], Version]:
    """Every version of every subject in ``table``, by key and version number, with the raw rows behind it.

    Raw rows that were known only after ``clock`` are no part of the build; of customers, which have no other
    clock than their versions', all are there.
    """
    staging, recorded_at = tables.model(f"stg_{table.name}"), table.version_order
    has_facts = table.occurred is not None and not table.is_of_customers
    is_known, parameters = "true", Row()
    if not table.is_of_customers:
        is_known = f"{table.known_at if has_facts else recorded_at} <= $clock"
        parameters = {"clock": clock}
    sql = ROWS_OF_VERSIONS.format(
        raw=tables.raw(table.name),
        versions=staging,
        key=", ".join(f"recorded.{name}" for name in table.key),
        # Where merges join customers, a key that names the customer is one of any of them.
        same_key=" and ".join(
            f"recorded.{name} = versions.{name}"
            for name in table.key
            if not (tables.is_joined and name == table.customer and has_facts)
        ),
        recorded_at=recorded_at,
        of_version="recorded_at" if has_facts else "known_at",
        is_known=is_known,
    )

    own_key = {table.customer: tables.customer} if has_facts else {}

    def name_of(row: Row) -> tuple[Any, ...]:
        return (*(own_key.get(name, row[name]) for name in table.key), row["version_number"])

    rows: dict[tuple[Any, ...], list[Row]] = {}
    for row in tables.rows(sql, **parameters):
        rows.setdefault(name_of(row), []).append(row)
    # Only the customer's own pieces of versions, where merges join others.
    own = f"where {table.customer} = $customer" if table.customer else ""
    parameters = {"customer": tables.customer} if table.customer else {}
    staged = {name_of(row): row for row in tables.rows(f"from {staging} {own}", **parameters)}
    return {name: Version(table, staged[name], tuple(rows[name])) for name in rows if name in staged}
