"""Compare two builds where both must agree: features, population, labels, and on-demand features.

The folders of two builds and the table ``limits`` come in; differences go out as ``Moved``.
"""

from pathlib import Path

import duckdb

from ml.audit.check_database import differing_columns, first_case, single_value
from ml.audit.compare_feature_tables import AT, BY_TIME, Comparison, Moved, compare
from ml.audit.findings import Audit
from ml.audit.scratch_builds import tables_of
from ml.config.problem import PENDING
from ml.features.labels import POPULATION, parquet
from ml.featurestore.retrieval.retrieve import point_in_time

ON_DEMAND = "on demand"
# A span of activity that lasts beyond the limit may end at any instant after it.
STRETCHES = """
select customer_id, active_from, case when active_until <= until then active_until end as active_until
from {rows}
inner join limits using (customer_id)
where active_from <= until
"""
# A label is settled when it is known; before that only who has a label is fixed.
LABELLED = """
select customer_id, event_timestamp, {label} as label
from {rows}
inner join limits using (customer_id)
where label_known_at <= until
"""
IN_ONE_ONLY = """
create or replace temp table in_one_only as
select 'before' as side, * from (({before}) except all ({after}))
union all
select 'after' as side, * from (({after}) except all ({before}))
"""


def compare_builds(
    audit: Audit, connection: duckdb.DuckDBPyConnection, before: Path, after: Path, *, settled: str = "false"
) -> Comparison:
    """Compare all tables of two builds up to the instants of ``limits``.

    Parameters
    ----------
    settled : str
        Condition on a row of ``limits``: the label must be the same too, not only who has a label.
    """
    comparison = compare(connection, tables_of(audit), before / "features", after / "features")
    compare_population(connection, before, after, comparison)
    compare_labels(connection, before, after, comparison, settled)
    compare_lookups(connection, list(audit.catalog.formulas), before, after, comparison)
    return comparison


def compare_population(
    connection: duckdb.DuckDBPyConnection, before: Path, after: Path, comparison: Comparison
) -> None:
    """Compare the spans of activity up to the limits."""
    sides = [STRETCHES.format(rows=parquet(folder / POPULATION)) for folder in (before, after)]
    add_one_sided(connection, sides, "population_customers", ("active_from", "active_until"), comparison)


def compare_labels(
    connection: duckdb.DuckDBPyConnection,
    before: Path,
    after: Path,
    comparison: Comparison,
    settled: str,
) -> None:
    """Compare the shipped labels that are known at the limits.

    One of the project's own may depend on a clock of all customers, of whom a scratch build has some.
    """
    label = f"case when {settled} then label end"
    for name in PENDING:
        sides = [
            LABELLED.format(rows=parquet(folder / "labels" / name), label=label) for folder in (before, after)
        ]
        add_one_sided(connection, sides, name, ("event_timestamp", "label"), comparison)


def add_one_sided(
    connection: duckdb.DuckDBPyConnection,
    sides: list[str],
    model: str,
    columns: tuple[str, str],
    comparison: Comparison,
) -> None:
    """Add the rows that only one of two queries returns; ``columns`` are an instant and a value."""
    instant, value = columns
    connection.execute(IN_ONE_ONLY.format(before=sides[0], after=sides[1]))
    comparison.cells += len(columns) * single_value(connection, f"select count(*) from ({sides[0]})")
    example = {"customer_id": "customer_id", "instant": instant}
    example |= {side: f"case when side = '{side}' then {value}::varchar end" for side in ("before", "after")}
    if case := first_case(connection, "in_one_only", example, f"({instant}, customer_id)"):
        comparison.moved.append(Moved(model, value, *case))
        rows = connection.execute("select customer_id from in_one_only").fetchall()
        comparison.customers |= {row[0] for row in rows}


def compare_lookups(
    connection: duckdb.DuckDBPyConnection,
    names: list[str],
    before: Path,
    after: Path,
    comparison: Comparison,
) -> None:
    """Compare the on-demand features ``names`` of each customer of ``limits`` at that customer's instant."""
    query = "select customer_id, until as event_timestamp from limits order by customer_id"
    entity_rows = connection.execute(query).to_arrow_table()
    sides = {"before": before, "after": after}
    for side, build in sides.items():
        connection.register(side, point_in_time(build, entity_rows, features=names))
    joined = "before inner join (select * exclude (event_timestamp) from after) as after using (customer_id)"
    cases = differing_columns(connection, joined, names, AT, BY_TIME, cast="::varchar")
    comparison.moved += [Moved(ON_DEMAND, name, *case) for name, case in cases.items()]
    comparison.cells += len(names) * len(entity_rows)
    for side in sides:
        connection.unregister(side)
