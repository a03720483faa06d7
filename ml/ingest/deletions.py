"""Rows that delete another without repeating it: their missing values come from the version before.

``read_<table>`` comes in, where ``checks`` let such rows pass; the same rows go out, completed. A row without
a version before it has a fault. ``duplicates`` is next.
"""

import duckdb

from ml.common.sql import literal
from ml.ingest.contract import DELETED, Table
from ml.ingest.row_checks import FAULT

NOTHING_TO_DELETE = "deletes a row that is not there"

# A deletion without the instant of its version is recorded at the instant of the deletion.
DELETIONS = """
create table deletions_{name} as
select {key}, coalesce({version}, {DELETED}) as {version}, _file, _row
from read_{name}
where {FAULT} is null and {DELETED} is not null and ({is_incomplete})
"""

COMPLETED = """
create table completed_{name} as
select deletions._file, deletions._row, deletions.{version} as {version}, before.* exclude ({key}, as_version)
from deletions_{name} as deletions
asof left join (
    select {key}, {version_order} as as_version, true as is_there, {filled}
    from (
        select {columns} from read_{name} anti join deletions_{name} using (_file, _row) where {FAULT} is null
        {earlier}
    )
) as before
on {same_key} and deletions.{version} >= before.as_version
"""

COMPLETE = """
update read_{name} as incomplete
set {values}, {FAULT} = case when completed.is_there is null then {nothing_to_delete} end
from completed_{name} as completed
where incomplete._file = completed._file and incomplete._row = completed._row
"""


def complete_deletions(connection: duckdb.DuckDBPyConnection, table: Table, earlier: str | None) -> None:
    """Complete the deletions that lack required values.

    Parameters
    ----------
    earlier : str, optional
        Relation of the rows loaded before, when this ingest appends to them.
    """
    required = [column.name for column in table.columns if column.required and column.name not in table.key]
    filled_columns = [name for name in table.names if name not in (*table.key, table.version, DELETED)]
    columns = ", ".join(table.names)
    fields = {
        "name": table.name,
        "key": ", ".join(table.key),
        "same_key": " and ".join(f"deletions.{name} = before.{name}" for name in table.key),
        "version": table.version,
        "version_order": table.version_order,
        "columns": columns,
        "filled": ", ".join(filled_columns),
        "earlier": f"union all select {columns} from {earlier}" if earlier else "",
        "is_incomplete": " or ".join(f"{name} is null" for name in required),
        "values": ", ".join(
            [f"{table.version} = completed.{table.version}"]
            + [f"{name} = coalesce(incomplete.{name}, completed.{name})" for name in filled_columns]
        ),
        "nothing_to_delete": literal(NOTHING_TO_DELETE),
        "FAULT": FAULT,
        "DELETED": DELETED,
    }
    connection.execute(DELETIONS.format(**fields))
    if connection.execute(f"select count(*) from deletions_{table.name}").fetchall()[0][0]:
        connection.execute(COMPLETED.format(**fields))
        connection.execute(COMPLETE.format(**fields))
