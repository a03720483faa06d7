"""The raw facts of a load, read by SQL that does not go through the dbt graph.

Checks read customers and instants of facts here, so that dbt's tables are compared with an independent query.
"""

from pathlib import Path

from ml.audit.findings import Audit
from ml.common.errors import NotReadyError
from ml.ingest.batch import relation_of
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_tables
from ml.ingest.manifest import FILE

REGISTRATIONS = """
select customer_id, arg_min(registered_at, coalesce(updated_at, registered_at)) as known_at
from {customers}
group by customer_id
union all
select customer_id, coalesce(updated_at, registered_at) as known_at from {customers}
"""
OF_PARENT = """(
    select rows.*, parents.customer_id
    from {rows} as rows
    inner join (
        select {key}, min({customer}) as customer_id from {parents} group by {key}
    ) as parents using ({key})
)"""


def check_load(audit: Audit) -> None:
    """Raise a NotReadyError if the raw tables of the build are gone.

    Raises
    ------
    NotReadyError
    """
    if not (audit.load / FILE).is_file():
        raise NotReadyError(
            f"{audit.load.name}, from which {audit.build.name} was made, is gone: run 'churn build'"
        )


def fact_tables() -> list[Table]:
    """The tables of events of a customer."""
    return [table for table in raw_tables() if table.occurred and not table.is_of_customers]


def facts(load: Path) -> str:
    """A query for customer_id and known_at of every raw row that names its customer."""
    queries = [
        f"select customer_id, {table.known_at} as known_at from {relation_of(load / table.name)}"
        for table in fact_tables()
        if table.customer
    ]
    registrations = REGISTRATIONS.format(customers=relation_of(load / "customers"))
    return " union all ".join([registrations, *queries])


def events(load: Path) -> str:
    """A query for customer_id and happened_at of every event, in any version of any row."""
    return " union all ".join(
        f"select customer_id, {instant} as happened_at from {rows_with_customer(table, load)}"
        for table in fact_tables()
        for instant in table.event_instants
    )


def rows_with_customer(table: Table, load: Path) -> str:
    """The raw rows of a table; with their customer where the rows that they refer to name it."""
    rows, parent = relation_of(load / table.name), parent_of(table)
    if parent is None:
        return rows
    return OF_PARENT.format(
        rows=rows, parents=relation_of(load / parent.name), key=parent.key[0], customer=parent.customer
    )
