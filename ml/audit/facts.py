"""The raw facts of a load as SQL of its own, past the dbt graph: who they are about, when they happened, when
they were known.

``ledger``, ``recount`` and ``windows`` read them, so that what dbt made is checked against something else.
"""

from pathlib import Path
from typing import Any

import duckdb

from ml.audit.findings import Audit
from ml.common.errors import NotReadyError
from ml.ingest.batch import relation_of
from ml.ingest.manifest import RECORD

KNOWN = "greatest({occurred}, coalesce(loaded_at, {occurred}))"
OCCURRED = {"orders": "ordered_at", "support_tickets": "opened_at", "sessions": "started_at"}
# All that happens to a row, by when it happened; a rating without an instant of its own counts from another.
HAPPENINGS = {
    "orders": ("ordered_at", "cancelled_at", "returned_at"),
    "support_tickets": (
        "opened_at",
        "resolved_at",
        "case when satisfaction_score is not null then coalesce(rated_at, resolved_at, {known}) end",
    ),
    "sessions": ("started_at",),
}
REGISTRATIONS = """
select customer_id, arg_min(registered_at, coalesce(updated_at, registered_at)) as known_at
from {customers}
group by customer_id
union all
select customer_id, coalesce(updated_at, registered_at) as known_at from {customers}
"""


def check_there(audit: Audit) -> None:
    """The raw tables behind the build must still be there.

    Raises
    ------
    NotReadyError
    """
    if not (audit.load / RECORD).is_file():
        raise NotReadyError(
            f"{audit.load.name}, from which {audit.build.name} was made, is gone: run 'churn build'"
        )


def known_at(table: str) -> str:
    """From when a row of ``table`` was known."""
    return KNOWN.format(occurred=OCCURRED[table])


def becoming_known(load: Path) -> str:
    """A query for customer_id and known_at of every raw row: when something of a customer became known."""
    facts = [
        f"select customer_id, {known_at(table)} as known_at from {relation_of(load / table)}"
        for table in OCCURRED
    ]
    registrations = REGISTRATIONS.format(customers=relation_of(load / "customers"))
    return " union all ".join([registrations, *facts])


def happenings(load: Path) -> str:
    """A query for customer_id and happened_at of all that ever happened, in any version of any row."""
    return " union all ".join(
        f"select customer_id, {instant.format(known=known_at(table))} as happened_at "
        f"from {relation_of(load / table)}"
        for table, instants in HAPPENINGS.items()
        for instant in instants
    )


def one(connection: duckdb.DuckDBPyConnection, query: str, parameters: Any = None) -> Any:
    """The one value that a query gives; None where it gives no row."""
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None
