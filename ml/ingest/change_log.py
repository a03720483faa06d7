"""Columns of a change log that mark a row as deleted.

``__deleted``, which Debezium writes, is read as ``deleted_at`` if a table has none of its own; a note names
other marks, and the column of the contract.
"""

from collections.abc import Iterable
from dataclasses import replace

import duckdb

from ml.common.sql import quoted
from ml.ingest.batch import Batch
from ml.ingest.contract import DELETED

DELETION_MARK = "__deleted"
# op of Debezium and Oracle GoldenGate, __deleted of its unwrapped records, _change_type of Delta's feed
MARKS = frozenset({"op", "_op", "__op", "op_type", "__deleted", "_deleted", "is_deleted", "_change_type"})

WITH_DELETIONS = """
create view {relation}_deletions as
select *, case when lower({mark}::varchar) in ('true', 't', '1') then {version} end as {DELETED}
from {relation}
"""


def with_deletions(connection: duckdb.DuckDBPyConnection, batch: Batch) -> Batch:
    """The batch with ``deleted_at`` made from ``__deleted`` and the instant of the version, if it has none.

    A marked row was deleted at the instant its version was recorded.
    """
    version = batch.table.version
    if DELETED in batch.columns or DELETION_MARK not in batch.columns or version not in batch.columns:
        return batch
    actual, sql_type = batch.columns[version]
    fields = {
        "relation": batch.relation,
        "mark": quoted(batch.columns[DELETION_MARK][0]),
        "version": quoted(actual),
        "DELETED": DELETED,
    }
    connection.execute(WITH_DELETIONS.format(**fields))
    columns = batch.columns | {DELETED: (DELETED, sql_type)}
    return replace(batch, relation=f"{batch.relation}_deletions", columns=columns)


def note_on_change_log(name: str, batches: Iterable[Batch]) -> str | None:
    """The note on a table that has such columns."""
    batches = list(batches)
    if any(batch.relation.endswith("_deletions") for batch in batches):
        return (
            f"{name}: rows whose {DELETION_MARK} is true are deletions, from the instant they were recorded "
            "on"
        )
    if any(DELETED in batch.columns for batch in batches):
        return None
    marks = list(dict.fromkeys(name for batch in batches for name in batch.extras if name.lower() in MARKS))
    if not marks:
        return None
    return (
        f"{name}: not used, though it looks like a change log's: {', '.join(marks)}; rows marked as deleted "
        "there count like any other: give deleted_at in the rows that delete, the instant of the deletion"
    )
