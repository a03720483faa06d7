"""Two sets of feature tables, cell by cell, up to an instant: which columns of which models moved.

Folders of Parquet files come in, one per model on either side; a ``Comparison`` goes out. Customers whose
rows have the same fingerprints (64 bits a row, summed) are equal; the others are compared value by value.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from ml.audit.check_database import differing_columns, first_case, single_value
from ml.common.sql import parquet, quoted

CUSTOMERS_MAX = 2_000  # compared value by value, of each model; all others by fingerprint
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
# At every instant at which either side has a row: the state on the one side, and on the other.
STATES = """
create or replace temp table states as
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
    before,
    after
from instants
asof left join rows_before as before
    on instants.customer_id = before.customer_id and instants.event_timestamp >= before.event_timestamp
asof left join rows_after as after
    on instants.customer_id = after.customer_id and instants.event_timestamp >= after.event_timestamp
"""
AT = {"customer_id": "customer_id", "instant": "event_timestamp"}
# The earliest case is the example.
BY_TIME = "(event_timestamp, customer_id)"


@dataclass(frozen=True)
class Table:
    """One model to compare: its columns beside customer_id and event_timestamp."""

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
        The numbers of cells and customers; lower bounds, because at most ``CUSTOMERS_MAX`` are compared.
    example : dict
        customer_id, instant, before, after: the earliest such cell.
    """

    model: str
    column: str
    cells: int
    customers: int
    example: dict[str, Any]


@dataclass
class Comparison:
    """The differences, summed over models.

    Parameters
    ----------
    cells, shared : int
        How many cells were compared, and how many of them lie in files that both sides share.
    moved : list of Moved
    idle : list of Moved
        Rows that only one side has, of models in which no value differs at any instant.
    customers : set of str
        Those with a difference, up to ``CUSTOMERS_MAX`` of each model.
    """

    cells: int = 0
    shared: int = 0
    moved: list[Moved] = field(default_factory=list)
    idle: list[Moved] = field(default_factory=list)
    customers: set[str] = field(default_factory=set)

    def add(self, other: "Comparison") -> None:
        """Add another comparison; a column that moved in both counts once, with its first example."""
        self.cells += other.cells
        self.shared += other.shared
        self.customers |= other.customers
        self.moved, self.idle = merge_moved(self.moved, other.moved), merge_moved(self.idle, other.idle)


def merge_moved(first_list: Sequence[Moved], second_list: Sequence[Moved]) -> list[Moved]:
    columns = {(moved.model, moved.column): moved for moved in first_list}
    for moved in second_list:
        known = columns.setdefault((moved.model, moved.column), moved)
        if known is not moved:
            cells, customers = known.cells + moved.cells, max(known.customers, moved.customers)
            columns[moved.model, moved.column] = replace(known, cells=cells, customers=customers)
    return list(columns.values())


def compare(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    before: Path,
    after: Path,
    selection: str = UP_TO_LIMITS,
) -> Comparison:
    """Compare the feature tables of two builds.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Has the tables of ``selection``: by default ``limits`` with customer_id and until.
    tables : sequence of Table
    before, after : Path
        Folders with ``<model>/*.parquet`` for each table.
    selection : str
        SQL over ``{source}`` that selects the rows to be compared, with all columns.
    """
    comparison = Comparison()
    for table in tables:
        comparison.add(
            compare_table(connection, table, files_of(before, table), files_of(after, table), selection)
        )
    return comparison


def compare_table(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    before: Sequence[Path],
    after: Sequence[Path],
    selection: str,
) -> Comparison:
    """Compare one table; files that both sides share hold no difference."""
    shared = identities(before) & identities(after)
    distinct_rows = shared_rows = 0
    for side, files in (("before", before), ("after", after)):
        side_files = [file for file in files if identity(file) not in shared]
        distinct_rows = max(distinct_rows, fingerprint(connection, side, table, side_files, selection))
    if shared:
        files = [file for file in before if identity(file) in shared]
        shared_rows = single_value(connection, f"select count(*) from ({selected_rows(selection, files)})")
    width = len(table.columns)
    comparison = Comparison(cells=(distinct_rows + shared_rows) * width, shared=shared_rows * width)
    connection.execute(DETAILED_CUSTOMERS.format(most=CUSTOMERS_MAX))
    if single_value(connection, "select count(*) from detailed"):
        connection.execute(
            STATES.format(before=selected_rows(selection, before), after=selected_rows(selection, after))
        )
        # Where only one side knows the customer every column differs, which does not tell the one at fault:
        # that counts only where nothing else differs.
        moved = moved_columns(connection, table, "known_to_both") or moved_columns(connection, table, "true")
        comparison.moved = moved + (moved_rows(connection, table, "not known_to_both") if moved else [])
        comparison.idle = [] if moved else moved_rows(connection, table, "not in_both")
        comparison.customers = {row[0] for row in connection.execute("from detailed").fetchall()}
    return comparison


def fingerprint(
    connection: duckdb.DuckDBPyConnection, side: str, table: Table, files: Sequence[Path], selection: str
) -> int:
    """Make the table of fingerprints of one side; return its number of rows."""
    columns = ", ".join(["event_timestamp", *map(quoted, table.columns)])
    if files:
        rows = selected_rows(selection, files)
        connection.execute(FINGERPRINTS.format(side=side, columns=columns, rows=rows))
    else:
        connection.execute(NO_FINGERPRINTS.format(side=side))
    count: int = single_value(
        connection, f"select coalesce(sum(row_count), 0)::bigint from fingerprints_{side}"
    )
    return count


def moved_columns(connection: duckdb.DuckDBPyConnection, table: Table, where: str) -> list[Moved]:
    """The columns that differ among the ``states`` with a condition."""
    rows = f"(from states where {where}) as states"
    cases = differing_columns(connection, rows, table.columns, AT, BY_TIME, cast="::varchar")
    return [Moved(table.model, name, *case) for name, case in cases.items()]


def moved_rows(connection: duckdb.DuckDBPyConnection, table: Table, where: str) -> list[Moved]:
    """The ``states`` with a condition, as rows that moved."""
    nothing = {"before": "null", "after": "null"}
    case = first_case(connection, f"states where {where}", {**AT, **nothing}, BY_TIME)
    return [Moved(table.model, "", *case)] if case else []


def selected_rows(selection: str, files: Iterable[Path]) -> str:
    return selection.format(source=parquet(files))


def files_of(folder: Path, table: Table) -> list[Path]:
    return sorted((folder / table.model).glob("*.parquet"))


def identities(files: Iterable[Path]) -> set[tuple[int, int]]:
    return {identity(file) for file in files}


def identity(file: Path) -> tuple[int, int]:
    """Device and inode, which hard links to one file have in common."""
    status = file.stat()
    return status.st_dev, status.st_ino
