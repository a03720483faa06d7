"""The database of a check, and the search for differences: their number and the first case."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb

from ml.audit.findings import Audit
from ml.common.memory import memory_limit
from ml.common.sql import literal, quoted

MEMORY_LIMIT = "2GB"
CASE = """
select count(*), count(distinct customer_id), arg_min({{{example}}}, {order})
from {rows}
having count(*) > 0
"""


class Case(NamedTuple):
    """The numbers of rows and customers that break a rule, and the reported columns of the first row."""

    rows: int
    customers: int
    example: dict[str, Any]


@contextmanager
def database(audit: Audit) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills to the scratch folder."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit(MEMORY_LIMIT),
        "temp_directory": str(audit.scratch / "spill"),
    }
    with duckdb.connect(config=settings) as connection:
        yield connection


def single_value(connection: duckdb.DuckDBPyConnection, query: str, parameters: Any = None) -> Any:
    """The single value of a query; None if it has no row."""
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def first_case(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    example: Mapping[str, str],
    order: str = "customer_id",
    parameters: Any = None,
) -> Case | None:
    """Count the rows that break a rule and return the first; None if there is none.

    Parameters
    ----------
    rows : str
        What follows ``from``: a relation with the column customer_id, and a condition where one is needed.
    example : mapping
        Name -> SQL expression of what is reported of the first row.
    order : str
        SQL expression that is smallest in the first row.
    """
    columns = ", ".join(f"{literal(name)}: {expression}" for name, expression in example.items())
    query = CASE.format(example=columns, order=order, rows=rows)
    row = connection.execute(query, parameters).fetchone()
    return Case(*row) if row else None


def differing_columns(
    connection: duckdb.DuckDBPyConnection,
    joined: str,
    names: Sequence[str],
    keys: Mapping[str, str],
    order: str = "customer_id",
    sides: tuple[str, str] = ("before", "after"),
    cast: str = "",
) -> dict[str, Case]:
    """The columns whose values are distinct on the two sides of a join, each with its first case.

    Parameters
    ----------
    joined : str
        Two relations (or structs), called as ``sides`` says, joined on their keys.
    names : sequence of str
        Columns that both sides have.
    keys : mapping
        Name -> SQL expression, the first part of each example; the values on the two sides follow.
    cast : str
        What to append to the values of an example, such as ``::varchar``.
    """
    if not names:
        return {}
    cells = {name: [f"{side}.{quoted(name)}" for side in sides] for name in names}
    conditions = {name: " is distinct from ".join(pair) for name, pair in cells.items()}
    # All columns are counted in one pass; only those that differ are read again.
    counts = ", ".join(f"count(*) filter (where {condition})" for condition in conditions.values())
    row = connection.execute(f"select {counts} from {joined}").fetchone() or ()
    cases = {}
    for name in (name for name, count in zip(names, row, strict=True) if count):
        example = {**keys, **{side: cell + cast for side, cell in zip(sides, cells[name], strict=True)}}
        if case := first_case(connection, f"{joined} where {conditions[name]}", example, order):
            cases[name] = case
    return cases
