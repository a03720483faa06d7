"""Two sets of feature tables, cell by cell, up to an instant: which columns of which models moved.

Folders of Parquet files come in, one per model on either side; a ``Comparison`` goes out. Customers whose
rows have the same fingerprints (64 bits a row, summed) are equal; the others are compared value by value.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ml.common.sql import literal, parquet, quoted

DETAILED = 2_000
UP_TO_LIMITS = """
select source.*
from {source} as source
inner join limits using (customer_id)
where source.event_timestamp <= limits.until
"""

FINGERPRINTS = """
create or replace temp table fingerprints_{side} as
select customer_id, count(*) as row_count, sum(hash({columns})) as fingerprint
from ({rows}) as compared
group by customer_id
"""
NO_FINGERPRINTS = """
create or replace temp table fingerprints_{side} (customer_id varchar, row_count bigint, fingerprint hugeint)
"""
DETAILED_CUSTOMERS = """
create or replace temp table detailed as
select customer_id
from fingerprints_before as before
full join fingerprints_after as after using (customer_id)
where (before.row_count, before.fingerprint) is distinct from (after.row_count, after.fingerprint)
order by hash(customer_id), customer_id
limit {most}
"""
# At every instant at which either side has a row: what held on the one side, and on the other.
HELD = """
create or replace temp table held as
with
rows_before as (select * from ({before}) semi join detailed using (customer_id)),
rows_after as (select * from ({after}) semi join detailed using (customer_id)),
instants as (
    select customer_id, event_timestamp from rows_before
    union
    select customer_id, event_timestamp from rows_after
)
select
    instants.customer_id,
    instants.event_timestamp,
    coalesce(before.event_timestamp = after.event_timestamp, false) as in_both,
    before.event_timestamp is not null and after.event_timestamp is not null as known_to_both,
    {pairs}
from instants
asof left join rows_before as before
    on instants.customer_id = before.customer_id and instants.event_timestamp >= before.event_timestamp
asof left join rows_after as after
    on instants.customer_id = after.customer_id and instants.event_timestamp >= after.event_timestamp
"""
DIFFERING = """
select
    {column}, count(*), count(distinct customer_id),
    arg_min({{
        'customer_id': customer_id, 'instant': event_timestamp, 'before': {before}, 'after': {after}
    }}, (event_timestamp, customer_id))
from held
where {differs}
having count(*) > 0
"""


@dataclass(frozen=True)
class Table:
    """What is compared of one model: its columns beside customer_id and event_timestamp."""

    model: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    """One column that is not the same on both sides.

    Parameters
    ----------
    model, column : str
        The column is empty where rows appeared or vanished.
    cells, customers : int
        In how many cells, of how many customers; at least, for no more than ``DETAILED`` are looked at.
    example : dict
        customer_id, instant, before, after: the earliest such cell.
    """

    model: str
    column: str
    cells: int
    customers: int
    example: dict[str, Any]

    def plus(self, other: "Moved") -> "Moved":
        """The same column found to move in another comparison too."""
        customers = max(self.customers, other.customers)
        return Moved(self.model, self.column, self.cells + other.cells, customers, other.example)


@dataclass
class Comparison:
    """What was found, added up over models.

    Parameters
    ----------
    cells, shared : int
        How many cells were compared, and how many of them lie in files that both sides share.
    moved : list of Moved
    idle : list of Moved
        Rows that only one side has, of models in which no value differs at any instant.
    customers : set of str
        Those with a difference, up to ``DETAILED`` of each model.
    """

    cells: int = 0
    shared: int = 0
    moved: list[Moved] = field(default_factory=list)
    idle: list[Moved] = field(default_factory=list)
    customers: set[str] = field(default_factory=set)

    def add(self, other: "Comparison") -> None:
        """Take another one in; a column that moved in both counts once."""
        self.cells += other.cells
        self.shared += other.shared
        self.customers |= other.customers
        self.moved, self.idle = merged(self.moved, other.moved), merged(self.idle, other.idle)


def merged(some: Sequence[Moved], more: Sequence[Moved]) -> list[Moved]:
    """Both, one for each column."""
    found = {(moved.model, moved.column): moved for moved in some}
    for moved in more:
        earlier = found.get((moved.model, moved.column))
        found[moved.model, moved.column] = moved.plus(earlier) if earlier else moved
    return list(found.values())


def compare(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    before: Path,
    after: Path,
    kept: str = UP_TO_LIMITS,
) -> Comparison:
    """Compare the feature tables of two builds.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Has what ``kept`` refers to: by default the table ``limits`` of customer_id and until.
    tables : sequence of Table
    before, after : Path
        Folders with ``<model>/*.parquet`` for each table.
    kept : str
        SQL over ``{source}`` that keeps the rows to be compared, all columns.
    """
    found = Comparison()
    for table in tables:
        compare_table(connection, table, files_of(before, table), files_of(after, table), kept, found)
    return found


def compare_table(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    before: Sequence[Path],
    after: Sequence[Path],
    kept: str,
    found: Comparison,
) -> None:
    """Compare one table and add to what was found; files that both sides share hold no difference."""
    shared = identities(before) & identities(after)
    own_rows = 0
    for side, files in (("before", before), ("after", after)):
        own = [file for file in files if identity(file) not in shared]
        own_rows = max(own_rows, fingerprint(connection, side, table, own, kept))
    shared_files = [file for file in before if identity(file) in shared]
    shared_rows = (
        one(connection, f"select count(*) from ({within(kept, shared_files)})") if shared_files else 0
    )
    found.cells += (own_rows + shared_rows) * len(table.columns)
    found.shared += shared_rows * len(table.columns)
    connection.execute(DETAILED_CUSTOMERS.format(most=DETAILED))
    if one(connection, "select count(*) from detailed"):
        hold(connection, table, within(kept, before), within(kept, after))
        moved = moved_columns(connection, table, "known_to_both") or moved_columns(connection, table, "true")
        found.moved += moved + (moved_rows(connection, table, "not known_to_both") if moved else [])
        found.idle += [] if moved else moved_rows(connection, table, "not in_both")
        found.customers |= {row[0] for row in connection.execute("from detailed").fetchall()}


def fingerprint(
    connection: duckdb.DuckDBPyConnection, side: str, table: Table, files: Sequence[Path], kept: str
) -> int:
    """Make the table of fingerprints of one side; how many rows it stands for."""
    columns = ", ".join(["event_timestamp", *map(quoted, table.columns)])
    if files:
        rows = within(kept, files)
        connection.execute(FINGERPRINTS.format(side=side, columns=columns, rows=rows))
    else:
        connection.execute(NO_FINGERPRINTS.format(side=side))
    return one(connection, f"select coalesce(sum(row_count), 0)::bigint from fingerprints_{side}")


def hold(connection: duckdb.DuckDBPyConnection, table: Table, before: str, after: str) -> None:
    """Make the table ``held`` for the customers of ``detailed``, from the rows of two queries."""
    pairs = [
        f"before.{quoted(name)} as before_{place}, after.{quoted(name)} as after_{place}"
        for place, name in enumerate(table.columns)
    ]
    connection.execute(HELD.format(before=before, after=after, pairs=", ".join(pairs)))


def moved_rows(connection: duckdb.DuckDBPyConnection, table: Table, where: str) -> list[Moved]:
    """The rows of ``held`` that a condition picks, as one that moved."""
    query = DIFFERING.format(column="''", before="null", after="null", differs=where)
    return [Moved(table.model, *row) for row in connection.execute(query).fetchall()]


def moved_columns(connection: duckdb.DuckDBPyConnection, table: Table, where: str) -> list[Moved]:
    """The columns that differ in the rows of ``held`` that a condition picks.

    Where only one side has a row for the customer at all, every column differs: that tells nothing of which
    column is at fault, and counts only where nothing else differs.
    """
    return [
        Moved(table.model, *row)
        for place, name in enumerate(table.columns)
        for row in connection.execute(differing(name, place, where)).fetchall()
    ]


def differing(name: str, place: int, where: str) -> str:
    """The query for the differing cells of one column."""
    return DIFFERING.format(
        column=literal(name),
        before=f"before_{place}::varchar",
        after=f"after_{place}::varchar",
        differs=f"{where} and before_{place} is distinct from after_{place}",
    )


def within(kept: str, files: Iterable[Path]) -> str:
    """The rows of ``files`` that are to be compared."""
    return kept.format(source=parquet(files))


def files_of(folder: Path, table: Table) -> list[Path]:
    """The files of one table."""
    return sorted((folder / table.model).glob("*.parquet"))


def identities(files: Iterable[Path]) -> set[tuple[int, int]]:
    """Which files these are, whatever their names."""
    return {identity(file) for file in files}


def identity(file: Path) -> tuple[int, int]:
    """Device and inode: hard links to one file have the same."""
    status = file.stat()
    return status.st_dev, status.st_ino


def one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The one value that a query gives."""
    row = connection.execute(query).fetchone()
    return row[0] if row else None
