"""Raw rows without a clock of their own: how many there are, for they change history when they come late."""

import duckdb

from ml.audit.findings import Audit
from ml.ingest.batch import relation_of
from ml.ingest.contract import TABLES, Table
from ml.ingest.manifest import RECORD

COUNTS = """
select count(distinct {key}) filter (where {version} is null), count(distinct {key})
from {rows}
"""


def notes_of(audit: Audit) -> tuple[str, ...]:
    """A sentence for each table some of whose rows have no clock."""
    if not (audit.load / RECORD).is_file():
        return ()
    return tuple(said for table in TABLES if table.occurred for said in sentence(audit, table))


def sentence(audit: Audit, table: Table) -> list[str]:
    """How many of one table have no clock, if any."""
    rows = relation_of(audit.load / table.name)
    query = COUNTS.format(key=table.key[0], version=table.version, rows=rows)
    with duckdb.connect() as connection:
        without, all_of_them = connection.execute(query).fetchall()[0]
    if not without:
        return []
    subject = table.name.replace("_", " ")
    since = "they registered" if table.name == "customers" else "they happened"
    return [
        f"{without:,d} of {all_of_them:,d} {subject} have a row without {table.version} and count as known "
        f"since {since}; what comes late without it changes history"
    ]
