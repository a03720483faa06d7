"""One CSV file into a part: every value as text, every line that is no row set aside."""

import csv
import gzip
import io
from pathlib import Path
from typing import IO

import duckdb

from ml.errors import SourceError
from ml.ingest.contract import Table
from ml.ingest.part import FILE, ROW, Part, literal, match_columns, reading, refuse_twins

DELIMITERS = ",;\t|"

READ = """
create table {relation} as
select *, {label} as {file}, row_number() over () as {row}
from read_csv(
    {path}, auto_detect = false, header = true, columns = {columns},
    delim = {delimiter}, quote = '"', escape = '"', compression = {compression}, hive_partitioning = false,
    store_rejects = true, rejects_limit = 0,
    rejects_table = '{relation}_errors', rejects_scan = '{relation}_scans'
)
"""

# Of a broken line DuckDB tells its number, the header being line 1; of the others only their order is known.
BROKEN = """
create table {relation}_broken as
select
    {label} as file,
    line - 1 as row,
    'broken CSV line: ' || lower(string_agg(distinct error_type, ' and ' order by error_type)) as reason,
    json_object('line', trim(any_value(csv_line), chr(10) || chr(13))) as content
from {relation}_errors
group by line
"""

# Each broken line pushes the rows after it one further down.
RENUMBERED = """
create view {relation}_renumbered as
with numbered as (select row, row_number() over (order by row) as nth from {relation}_broken),
gaps as (select row - nth as rows_before, max(nth) as shift from numbered group by rows_before)
select whole.* replace (whole.{row} + coalesce(gaps.shift, 0) as {row})
from {relation} as whole
asof left join gaps on whole.{row} > gaps.rows_before
"""


def stage_csv(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, label: str, relation: str
) -> Part:
    """Read ``path`` into ``relation``; its broken lines into ``<relation>_broken``."""
    header, delimiter = read_header(path, label)
    refuse_twins(table, label, header)
    names = unique_names(header)
    columns = match_columns(table, label, dict.fromkeys(names, "VARCHAR"))
    words = {
        "relation": relation,
        "file": FILE,
        "row": ROW,
        "label": literal(label),
        "path": literal(path),
        "delimiter": literal(delimiter),
        "compression": literal("gzip" if path.suffix == ".gz" else "none"),
        "columns": "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names) + "}",
    }
    with reading(label):
        connection.execute(READ.format(**words))
    connection.execute(BROKEN.format(**words))
    if not connection.execute(f"select count(*) from {relation}_broken").fetchall()[0][0]:
        return Part(table, label, relation, columns)
    connection.execute(RENUMBERED.format(**words))
    return Part(table, label, f"{relation}_renumbered", columns, f"{relation}_broken")


def read_header(path: Path, label: str) -> tuple[list[str], str]:
    """Column names of ``path`` and the delimiter between them.

    Raises
    ------
    SourceError
        The file is empty, or its beginning is no text.
    """
    if path.stat().st_size == 0:
        raise SourceError(f"{label} is empty (0 bytes): a table without rows still needs its header")
    try:
        with open_text(path) as text:
            start = text.read(1 << 16)
    except (EOFError, gzip.BadGzipFile) as error:
        raise SourceError(f"{label} cannot be read: it is no gzip file ({error})") from error
    if "\0" in start:
        raise SourceError(f"{label} cannot be read: it is no UTF-8 text")
    headers = [(next(csv.reader(io.StringIO(start), delimiter=mark), []), mark) for mark in DELIMITERS]
    return max(headers, key=lambda header: len(header[0]))


def open_text(path: Path) -> IO[str]:
    """``path`` as text, unpacked; what is no UTF-8 further down is for the rows to answer for."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def unique_names(header: list[str]) -> list[str]:
    """Names a relation can have: none empty, none twice (SQL minds no case)."""
    names: list[str] = []
    for position, name in enumerate(header, 1):
        bare = name.strip() or f"column_{position}"
        taken = {other.lower() for other in names}
        names.append(bare if bare.lower() not in taken else f"{bare}_{position}")
    return names
