"""Who was asked about, and what the answer was: labels of two builds, as far as both must say the same.

The folders of labels and the table ``limits`` come in; what is not the same goes out as ``Moved``.
"""

from pathlib import Path

import duckdb

from ml.audit.compare import Comparison, Moved, Table, files_of, one
from ml.common.sql import parquet
from ml.config.problem import Problem
from ml.features.labels import LABELS, POPULATION

# A stretch that goes on past the limit may end at any instant after it.
STRETCHES = """
select customer_id, active_from, case when active_until <= until then active_until end as active_until
from {rows}
inner join limits using (customer_id)
where active_from <= until
"""
# A label is settled when its horizon and its delay are over; before that only who is asked about is fixed.
LABELLED = """
select customer_id, event_timestamp, {churned} as churned
from {rows}
inner join limits using (customer_id)
where event_timestamp + to_days({gap_days}) <= until
"""
IN_ONE_ONLY = """
create or replace temp table in_one_only as
select 'before' as side, * from (({before}) except all ({after}))
union all
select 'after' as side, * from (({after}) except all ({before}))
"""
EXAMPLE = """
select
    count(*), count(distinct customer_id),
    arg_min({{
        'customer_id': customer_id, 'instant': {instant},
        'before': case when side = 'before' then {value}::varchar end,
        'after': case when side = 'after' then {value}::varchar end
    }}, ({instant}, customer_id))
from in_one_only
having count(*) > 0
"""


def compare_population(
    connection: duckdb.DuckDBPyConnection, before: Path, after: Path, found: Comparison
) -> None:
    """Compare who is active when, up to the limits."""
    sides = [STRETCHES.format(rows=rows_in(folder, POPULATION)) for folder in (before, after)]
    add(connection, sides, "population_customers", ("active_from", "active_until"), found)


def compare_labels(
    connection: duckdb.DuckDBPyConnection,
    before: Path,
    after: Path,
    problem: Problem,
    found: Comparison,
    *,
    settled: str = "false",
) -> None:
    """Compare the labels whose horizon is over at the limits.

    Parameters
    ----------
    settled : str
        Condition on a row of ``limits``: the answer must be the same too, not only who is asked about.
    """
    words = {"churned": f"case when {settled} then churned end", "gap_days": problem.gap_days}
    sides = [LABELLED.format(rows=rows_in(folder, LABELS), **words) for folder in (before, after)]
    add(connection, sides, "label_customer_churn", ("event_timestamp", "churned"), found)


def add(
    connection: duckdb.DuckDBPyConnection,
    sides: list[str],
    model: str,
    columns: tuple[str, str],
    found: Comparison,
) -> None:
    """Add the rows that only one of two queries gives to what was found."""
    instant, value = columns
    connection.execute(IN_ONE_ONLY.format(before=sides[0], after=sides[1]))
    found.cells += len(columns) * one(connection, f"select count(*) from ({sides[0]})")
    rows = connection.execute(EXAMPLE.format(instant=instant, value=value)).fetchall()
    found.moved += [Moved(model, value, *row) for row in rows]
    found.customers |= {
        row[0] for row in connection.execute("select customer_id from in_one_only").fetchall()
    }


def rows_in(folder: Path, table: str) -> str:
    """The rows of one table of labels."""
    return parquet(files_of(folder, Table(table, ())))
