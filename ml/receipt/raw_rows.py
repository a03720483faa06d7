"""Raw rows behind the versions of facts: which file and row told each version, and which are mere copies."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml.ingest.contract import CUSTOMERS, ORDER_ITEMS, TABLES, Table
from ml.receipt.customer_tables import CustomerTables, Row
from ml.receipt.lines import Line, Place

VERSIONED = tuple(table for table in TABLES if table.version)
PERSONAL = ("email",)
# A raw row belongs to the latest version told by then: its first row tells it, the others repeat it.
ROWS_OF_VERSIONS = """
with

told as (
    select *, {recorded_at} as recorded_at
    from {raw}
    where {is_known}
)

select versions.version_number, told.*
from told
asof inner join {staging} as versions
    on {same_key} and told.recorded_at >= versions.{of_version}
order by {key}, told.recorded_at, told._load, told._file, told._row
"""


@dataclass(frozen=True)
class Version:
    """One version of one subject: what staging says of it, and the raw rows that say so, in order."""

    table: Table
    said: Row
    rows: tuple[Row, ...]

    def line(self) -> Line:
        """The version as a line of a receipt, whatever it adds left open."""
        instants = [name for name in self.table.instants if name != self.table.version]
        return Line(
            self.table.name,
            {name: self.said[name] for name in self.table.key},
            self.said["version_number"] if self.said.get("has_clock", True) else None,
            places_of(self.rows),
            {name: self.said[name] for name in instants if self.said.get(name)},
            None if self.table is ORDER_ITEMS else self.said["known_at"],
            amount=self.said.get("quantity"),
            raw=contents(self.table, self.rows),
        )


def table_of(columns: set[str]) -> Table | None:
    """The raw table whose versions have ``columns``; None if they are no versions of a raw table."""
    if "version_number" not in columns:
        return None
    found = [table for table in VERSIONED if {*table.key} <= columns and table is not CUSTOMERS]
    return max(found, key=lambda table: len(table.key), default=None)


def read_versions(tables: CustomerTables, table: Table, clock: datetime) -> dict[tuple[Any, ...], Version]:
    """Every version of every subject in ``table``, by key and version number, with the raw rows that tell it.

    Raw rows that were known only after ``clock`` are no part of the build; of customers, which have no other
    clock than their versions', all are there.
    """
    staging, recorded_at = tables.model(f"stg_{table.name}"), table.version_order
    has_facts = table.occurred is not None and table is not CUSTOMERS
    known_at = f"greatest({table.occurred}, {recorded_at})" if has_facts else recorded_at
    sql = ROWS_OF_VERSIONS.format(
        raw=tables.raw(table.name),
        staging=staging,
        key=", ".join(f"told.{name}" for name in table.key),
        same_key=" and ".join(f"told.{name} = versions.{name}" for name in table.key),
        recorded_at=recorded_at,
        of_version="recorded_at" if has_facts else "known_at",
        is_known="true" if table is CUSTOMERS else f"{known_at} <= $clock",
    )
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in tables.rows(sql, **({} if table is CUSTOMERS else {"clock": clock})):
        found.setdefault(name_of(table, row), []).append(row)
    said = {name_of(table, row): row for row in tables.rows(f"from {staging}")}
    return {name: Version(table, said[name], tuple(rows)) for name, rows in found.items()}


def name_of(table: Table, row: Row) -> tuple[Any, ...]:
    """Key and version number."""
    return (*(row[name] for name in table.key), row["version_number"])


def places_of(rows: tuple[Row, ...]) -> tuple[Place, ...]:
    """Where rows came from."""
    return tuple(Place(row["_load"], row["_file"], row["_row"]) for row in rows)


def contents(table: Table, rows: tuple[Row, ...]) -> Row:
    """The columns of the first of ``rows``, personal ones left out."""
    return {name: rows[0][name] for name in table.names if name not in PERSONAL}
