"""The raw facts of a load, read by SQL that does not go through the dbt graph.

Checks read customers and instants of facts here, so that dbt's tables are compared with an independent query.
"""

from pathlib import Path

from ml.audit.findings import Audit
from ml.common.errors import NotReadyError
from ml.ingest.batch import relation_of, rows_of
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
# Rows without a customer, such as lines of orders, with that of the row they refer to, and when it was known.
ROWS_BELOW = """(
    select rows.*, parents.customer_id, parents.parent_known_at
    from {rows} as rows
    inner join (
        select
            {key},
            min({customer}) as customer_id,
            min(greatest({occurred}, {version_order})) as parent_known_at
        from {parents}
        group by {key}
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
    """The raw rows of a table; those that refer to another with customer_id and parent_known_at."""
    rows, parent = rows_of(table, load / table.name), parent_of(table)
    if parent is None:
        return rows
    return ROWS_BELOW.format(
        rows=rows,
        parents=rows_of(parent, load / parent.name),
        key=parent.key[0],
        customer=parent.customer,
        occurred=parent.occurred,
        version_order=parent.version_order,
    )
