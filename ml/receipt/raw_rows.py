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
    select *, {told_at} as told_at
    from {raw}
    where {is_known}
)

select versions.version_number, told.*
from told
asof inner join {staging} as versions
    on told.{key} = versions.{key} and told.told_at >= versions.{of_version}
order by told.{key}, told.told_at, told._load, told._file, told._row
"""


@dataclass(frozen=True)
class Version:
    """One version of one subject: what staging says of it, and the raw rows that say so, in order."""

    table: Table
    said: Row
    rows: tuple[Row, ...]

    @property
    def superseded_at(self) -> datetime | None:
        return self.said.get("superseded_at")

    def line(self) -> Line:
        """The version as a line of a receipt, whatever it adds left open."""
        instants = [name for name in self.table.instants if name != self.table.version]
        return Line(
            self.table.name,
            {name: self.said[name] for name in self.table.key},
            self.said["version_number"],
            places_of(self.rows),
            {name: self.said[name] for name in instants if self.said.get(name)},
            self.said["known_at"],
            raw=contents(self.table, self.rows),
        )


def table_of(columns: set[str]) -> Table | None:
    """The raw table whose versions have ``columns``; None if they are no versions of a raw table."""
    if "version_number" not in columns:
        return None
    found = [table for table in VERSIONED if {*table.key} <= columns and table is not CUSTOMERS]
    return found[0] if found else None


def read_versions(tables: CustomerTables, table: Table, clock: datetime) -> dict[tuple[Any, int], Version]:
    """Every version of every subject in ``table``, by key and version number, with the raw rows that tell it.

    Raw rows that were known only after ``clock`` are no part of the build; of customers, which have no other
    clock than their versions', all are there.
    """
    key, staging = table.key[0], tables.model(f"stg_{table.name}")
    is_of_customers = table is CUSTOMERS
    told_at = f"coalesce({table.version}, {table.occurred})"
    sql = ROWS_OF_VERSIONS.format(
        raw=tables.raw(table.name),
        staging=staging,
        key=key,
        told_at=told_at,
        of_version="known_at" if is_of_customers else "told_at",
        is_known="true" if is_of_customers else f"greatest({table.occurred}, {told_at}) <= $clock",
    )
    found: dict[tuple[Any, int], list[Row]] = {}
    for row in tables.rows(sql, **({} if is_of_customers else {"clock": clock})):
        found.setdefault((row[key], row["version_number"]), []).append(row)
    said = {(row[key], row["version_number"]): row for row in tables.rows(f"from {staging}")}
    return {name: Version(table, said[name], tuple(rows)) for name, rows in found.items()}


def read_items(tables: CustomerTables) -> dict[str, list[Line]]:
    """The items of every order, exact copies as one line."""
    key = ORDER_ITEMS.key
    names = ", ".join(ORDER_ITEMS.names)
    sql = f"from {tables.raw(ORDER_ITEMS.name)} order by {names}, _load, _file, _row"
    copies: dict[tuple[Any, ...], list[Row]] = {}
    for row in tables.rows(sql):
        copies.setdefault(tuple(row[name] for name in ORDER_ITEMS.names), []).append(row)
    found: dict[str, list[Line]] = {}
    for rows in copies.values():
        line = Line(
            ORDER_ITEMS.name,
            {name: rows[0][name] for name in key},
            places=places_of(tuple(rows)),
            amount=rows[0]["quantity"],
            raw=contents(ORDER_ITEMS, tuple(rows)),
        )
        found.setdefault(rows[0]["order_id"], []).append(line)
    return found


def places_of(rows: tuple[Row, ...]) -> tuple[Place, ...]:
    """Where rows came from."""
    return tuple(Place(row["_load"], row["_file"], row["_row"]) for row in rows)


def contents(table: Table, rows: tuple[Row, ...]) -> Row:
    """The columns of the first of ``rows``, personal ones left out."""
    return {name: rows[0][name] for name in table.names if name not in PERSONAL}
