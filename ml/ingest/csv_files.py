"""One CSV file into a part: every value as text, every line that is no row set aside."""

import csv
import io
from pathlib import Path

import duckdb

from ml.common.errors import SourceError
from ml.common.sql import exact, literal
from ml.ingest.batch import FILE, ROW, Part, match_columns, reading, refuse_twins
from ml.ingest.contract import Table
from ml.ingest.file_names import packing_of
from ml.ingest.line_endings import evened
from ml.ingest.packed import opened

DELIMITERS = ",;\t|"
HEADER_BYTES = 1 << 16

READ = """
create table {relation}_lines as
select * from read_csv(
    {path}, auto_detect = false, header = true, columns = {columns},
    delim = {delimiter}, quote = '"', escape = '"', compression = {compression}, hive_partitioning = false,
    store_rejects = true, rejects_limit = 0,
    rejects_table = '{relation}_errors', rejects_scan = '{relation}_scans'
);
create view {relation} as
select *, {label} as {file}, rowid + 1 as {row} from {relation}_lines
"""

# Of a broken line DuckDB tells its number, the header being line 1; of the others only their order is known.
BROKEN = """
create table {relation}_broken as
select
    {label} as file,
    line - 1 as row,
    'broken CSV line: ' || lower(string_agg(distinct fault, ' and ' order by fault)) as reason,
    json_object('line', any_value(trim(translate(csv_line, {muted}, {unmuted}), e'\\r\\n'))) as content
from (
    select *, if(contains(csv_line, {muted}[1]), 'unclosed quote', error_type) as fault from {relation}_errors
)
group by line
"""

# A quote that is never closed hides the rows after it: such a file is read again, line by line.
HIDES_ROWS = """
select count(*) from {relation}_errors where error_type in ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM')
"""

UNREAD = """
drop view {relation}; drop table {relation}_lines; drop table {relation}_errors; drop table {relation}_scans
"""

MUTED_QUOTE, MUTED_DELIMITER = "\x01", "\x02"

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
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, label: str, relation: str, work: Path
) -> Part:
    """Read ``path`` into ``relation``; its broken lines into ``<relation>_broken``."""
    header, delimiter = read_header(path, label)
    refuse_twins(table, label, header)
    names = unique_names(header)
    columns = match_columns(table, label, dict.fromkeys(names, "VARCHAR"))
    even = evened(path, work / f"{relation}-even.csv", label)
    words = read_words(even, label, relation, names, delimiter)
    with reading(label):
        connection.execute(READ.format(**words))
        if connection.execute(HIDES_ROWS.format(**words)).fetchall()[0][0]:
            plain = mute_open_quotes(even, work / f"{relation}.csv", delimiter, label)
            connection.execute(UNREAD.format(**words))
            words |= {"path": literal(exact(plain)), "compression": "'none'"}
            connection.execute(READ.format(**words))
    connection.execute(BROKEN.format(**words))
    if not connection.execute(f"select count(*) from {relation}_broken").fetchall()[0][0]:
        return Part(table, label, relation, columns)
    connection.execute(RENUMBERED.format(**words))
    return Part(table, label, f"{relation}_renumbered", columns, f"{relation}_broken")


def read_words(path: Path, label: str, relation: str, names: list[str], delimiter: str) -> dict[str, str]:
    """What the SQL of this module is filled with."""
    return {
        "relation": relation,
        "file": FILE,
        "row": ROW,
        "label": literal(label),
        "path": literal(exact(path)),
        "delimiter": literal(delimiter),
        "compression": literal(packing_of(path.name)),
        "columns": "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names) + "}",
        "muted": literal(MUTED_QUOTE + MUTED_DELIMITER),
        "unmuted": literal(f'"{delimiter}'),
    }


def mute_open_quotes(path: Path, copy: Path, delimiter: str, label: str) -> Path:
    """Copy ``path`` with every line of an odd number of quotes made one field that hides nothing."""
    mute = bytes.maketrans(f'"{delimiter}'.encode(), f"{MUTED_QUOTE}{MUTED_DELIMITER}".encode())
    with opened(path, label) as lines, copy.open("wb") as plain:
        plain.writelines(line.translate(mute) if line.count(b'"') % 2 else line for line in lines)
    return copy


def read_header(path: Path, label: str) -> tuple[list[str], str]:
    """Column names of ``path`` and the delimiter between them.

    Raises
    ------
    SourceError
        The file is empty, or its beginning is no text.
    """
    if path.stat().st_size == 0:
        raise SourceError(f"{label} is empty (0 bytes): a table without rows still needs its header")
    with opened(path, label) as file:
        start = file.read(HEADER_BYTES).decode("utf-8-sig", errors="replace")
    if "\0" in start:
        raise SourceError(f"{label} cannot be read: it is no UTF-8 text")
    marks = "\t" if path.name.lower().rpartition(".tsv")[1] else DELIMITERS
    headers = [(next(csv.reader(io.StringIO(start, newline=""), delimiter=mark), []), mark) for mark in marks]
    return max(headers, key=lambda header: len(header[0]))


def unique_names(header: list[str]) -> list[str]:
    """Names a relation can have: none empty, none twice (SQL minds no case)."""
    names: list[str] = []
    for position, name in enumerate(header, 1):
        bare = name.strip() or f"column_{position}"
        taken = {other.lower() for other in names}
        names.append(bare if bare.lower() not in taken else f"{bare}_{position}")
    return names
