"""Columns of a change log that mark a row as deleted.

``__deleted``, which Debezium writes, is read as ``deleted_at`` where a table has none of its own; other marks
are named, with the column of the contract.
"""

from collections.abc import Iterable
from dataclasses import replace

import duckdb

from ml.common.sql import quoted
from ml.ingest.batch import Part
from ml.ingest.contract import DELETED

DELETION_MARK = "__deleted"
# op of Debezium and Oracle GoldenGate, __deleted of its unwrapped records, _change_type of Delta's feed
MARKS = frozenset({"op", "_op", "__op", "op_type", "__deleted", "_deleted", "is_deleted", "_change_type"})

WITH_DELETIONS = """
create view {relation}_deletions as
select *, case when lower({mark}::varchar) in ('true', 't', '1') then {version} end as {DELETED}
from {relation}
"""


def with_deletions(connection: duckdb.DuckDBPyConnection, part: Part) -> Part:
    """The part with ``deleted_at``, where only ``__deleted`` and the instant of the version tell of it.

    A row that is marked was deleted when that version was recorded.
    """
    version = part.table.version
    if DELETED in part.columns or DELETION_MARK not in part.columns or version not in part.columns:
        return part
    actual, sql_type = part.columns[version]
    words = {
        "relation": part.relation,
        "mark": quoted(part.columns[DELETION_MARK][0]),
        "version": quoted(actual),
        "DELETED": DELETED,
    }
    connection.execute(WITH_DELETIONS.format(**words))
    columns = part.columns | {DELETED: (DELETED, sql_type)}
    return replace(part, relation=f"{part.relation}_deletions", columns=columns)


def note_on_change_log(name: str, parts: Iterable[Part]) -> str | None:
    """What is said of a table that comes with such columns."""
    parts = list(parts)
    if any(part.relation.endswith("_deletions") for part in parts):
        return (
            f"{name}: rows whose {DELETION_MARK} is true are deletions, from the instant they were recorded "
            "on"
        )
    if any(DELETED in part.columns for part in parts):
        return None
    found = list(dict.fromkeys(name for part in parts for name in part.extras if name.lower() in MARKS))
    if not found:
        return None
    return (
        f"{name}: not used, though it looks like a change log's: {', '.join(found)}; rows marked as deleted "
        "there count like any other: give deleted_at in the rows that delete, the instant of the deletion"
    )
