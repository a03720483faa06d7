"""Rejected rows, whole: table, file, row, reason, and the raw values as JSON text.

The faults of ``checks`` and ``duplicates`` and the batches come in; the relation ``rejected`` goes out.
"""

from collections import Counter
from pathlib import Path

import duckdb

from ml.common.sql import literal, quoted
from ml.ingest.batch import FILE, ROW, Batch
from ml.ingest.declaration import raw_table
from ml.ingest.deletions import NOTHING_TO_DELETE
from ml.ingest.erased_customers import REASON as ERASED
from ml.ingest.physical_types import FLOATS, display_text, is_number
from ml.ingest.row_checks import FAULT

CREATE = """
create table rejected (
    "table" varchar, file varchar, row bigint, reason varchar, content varchar, load varchar
)
"""

FAULTY_ROWS = """
create table faulty_{name} as
select _file, _row, {FAULT} as reason from read_{name} where {FAULT} is not null
union all
select _file, _row, reason from refused_{name}
"""

# Of an erased customer's row nothing is kept but its place and its reason.
INSERT = """
insert into rejected
select
    {table}, batch.{FILE}, batch.{ROW}, faulty.reason,
    case when faulty.reason = {erased} then '{{}}' else {content} end, {load}
from {relation} as batch
join faulty_{name} as faulty on batch.{FILE} = faulty._file and batch.{ROW} = faulty._row
"""

INSERT_BROKEN = "insert into rejected select {table}, file, row, reason, content, {load} from {broken}"


def insert_rejected(
    connection: duckdb.DuckDBPyConnection, name: str, batches: list[Batch], load: str
) -> None:
    """Add the rejected rows of table ``name`` to the relation ``rejected``."""
    connection.execute(FAULTY_ROWS.format(name=name, FAULT=FAULT))
    for batch in batches:
        fields = {
            "table": literal(name),
            "name": name,
            "FILE": FILE,
            "ROW": ROW,
            "load": literal(load),
            "erased": literal(ERASED),
            "relation": batch.relation,
            "broken": batch.broken,
            "content": whole_row(batch),
        }
        connection.execute(INSERT.format(**fields))
        if batch.broken:
            connection.execute(INSERT_BROKEN.format(**fields))


def whole_row(batch: Batch) -> str:
    """The raw values of a row as JSON text, by their names in the source."""
    fields = [f"{literal(name)}, {json_value(name, sql_type)}" for name, sql_type in batch.columns.values()]
    return f"json_object({', '.join(fields)})::varchar"


def json_value(name: str, sql_type: str) -> str:
    """Numbers and booleans as such, everything else as text; JSON has no NaN."""
    value = f"batch.{quoted(name)}"
    if sql_type in FLOATS:
        return f"case when isfinite({value}) then to_json({value}) else to_json({value}::varchar) end"
    return value if is_number(sql_type) or sql_type == "BOOLEAN" else display_text(value, sql_type)


def count_reasons(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The number of rows with each reason, the most frequent first; a row may have several."""
    rows = connection.execute('select "table", reason, count(*) from rejected group by all').fetchall()
    counts: Counter[str] = Counter()
    for table, reasons, count in rows:
        for reason in reasons.split("; "):
            counts[f"{table}: {reason}"] += count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def count_waiting(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """The number of rejected rows that lack only the row that they refer to or delete."""
    reference = raw_table(name).reference
    unknown = reference.reason if reference else ""
    query = 'select count(*) from rejected where "table" = ? and reason in (?, ?)'
    return int(connection.execute(query, [name, unknown, NOTHING_TO_DELETE]).fetchall()[0][0])


def count_erased(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """The number of rows rejected because their customer was erased."""
    query = 'select count(*) from rejected where "table" = ? and reason = ?'
    return int(connection.execute(query, [name, ERASED]).fetchall()[0][0])


def write_rejected(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Write the rejected rows of this ingest to one Parquet file, in reading order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ordered = 'select * from rejected order by "table", file, row'
    connection.execute(f"copy ({ordered}) to {literal(file)} (format parquet, compression zstd)")
