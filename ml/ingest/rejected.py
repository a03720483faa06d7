"""Rejected rows, whole: table, file, row, reason, and the raw values as JSON text.

Comes in: the faults that ``checks`` and ``copies`` found, and the parts. Goes out: the relation ``rejected``.
"""

from collections import Counter
from pathlib import Path

import duckdb

from ml.common.sql import literal, quoted
from ml.ingest.batch import FILE, ROW, Part
from ml.ingest.checks import FAULT
from ml.ingest.declaration import raw_table
from ml.ingest.deletions import NOTHING_TO_DELETE
from ml.ingest.physical import FLOATS, is_number, shown

CREATE = """
create table rejected (
    "table" varchar, file varchar, row bigint, reason varchar, content varchar, load varchar
)
"""

FAULTY = """
create table faulty_{name} as
select _file, _row, {FAULT} as reason from read_{name} where {FAULT} is not null
union all
select _file, _row, reason from refused_{name}
"""

KEEP = """
insert into rejected
select {table}, part.{FILE}, part.{ROW}, faulty.reason, {content}, {load}
from {relation} as part
join faulty_{name} as faulty on part.{FILE} = faulty._file and part.{ROW} = faulty._row
"""

KEEP_BROKEN = "insert into rejected select {table}, file, row, reason, content, {load} from {broken}"


def keep_rejected(connection: duckdb.DuckDBPyConnection, name: str, parts: list[Part], load: str) -> None:
    """Add the rejected rows of table ``name`` to the relation ``rejected``."""
    connection.execute(FAULTY.format(name=name, FAULT=FAULT))
    for part in parts:
        words = {
            "table": literal(name),
            "name": name,
            "FILE": FILE,
            "ROW": ROW,
            "load": literal(load),
            "relation": part.relation,
            "broken": part.broken,
            "content": whole_row(part),
        }
        connection.execute(KEEP.format(**words))
        if part.broken:
            connection.execute(KEEP_BROKEN.format(**words))


def whole_row(part: Part) -> str:
    """The raw values of a row as JSON text, under the names the source gives them."""
    fields = [f"{literal(name)}, {json_value(name, sql_type)}" for name, sql_type in part.columns.values()]
    return f"json_object({', '.join(fields)})::varchar"


def json_value(name: str, sql_type: str) -> str:
    """Numbers and truth values as such, everything else as text; JSON knows no NaN."""
    value = f"part.{quoted(name)}"
    if sql_type in FLOATS:
        return f"case when isfinite({value}) then to_json({value}) else to_json({value}::varchar) end"
    return value if is_number(sql_type) or sql_type == "BOOLEAN" else shown(value, sql_type)


def count_reasons(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows fell to each reason, the most frequent first; a row may have several."""
    rows = connection.execute('select "table", reason, count(*) from rejected group by all').fetchall()
    counts: Counter[str] = Counter()
    for table, reasons, count in rows:
        for reason in reasons.split("; "):
            counts[f"{table}: {reason}"] += count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def count_waiting(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Rejected rows of a table that lack nothing but the row they refer to or delete."""
    reference = raw_table(name).reference
    unknown = reference.reason if reference else ""
    query = 'select count(*) from rejected where "table" = ? and reason in (?, ?)'
    return int(connection.execute(query, [name, unknown, NOTHING_TO_DELETE]).fetchall()[0][0])


def write_rejected(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """The rejected rows of this ingest as one Parquet file, in reading order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ordered = 'select * from rejected order by "table", file, row'
    connection.execute(f"copy ({ordered}) to {literal(file)} (format parquet, compression zstd)")
