"""CSV files as batches: files of one header are read together, every value as text, broken lines set aside.

The files of one table come in; a batch for each header, with file and row number of every row, goes out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ml.common.errors import SourceError
from ml.common.sql import file_list, literal, quoted
from ml.ingest.batch import FILE, ROW, Batch, label_of, match_columns, refuse_duplicate_columns, source_errors
from ml.ingest.broken_lines import MUTED, NO_OBJECT, REASONS, unmuted, without_broken_quotes
from ml.ingest.contract import Table
from ml.ingest.csv_headers import read_header, unique_names
from ml.ingest.encodings import as_utf8
from ml.ingest.file_names import format_of, packing_of
from ml.ingest.json_files import json_as_csv
from ml.ingest.line_endings import with_even_line_ends
from ml.ingest.partitions import Partition, added_columns, partitions_of, refuse_clashes
from ml.ingest.value_formats import UTF8

READ = """
create table {relation}_lines as
select *, file_index::uinteger as _index
from read_csv(
    {files}, auto_detect = false, header = true, columns = {columns},
    delim = {delimiter}, quote = '"', escape = '"', compression = {compression}, hive_partitioning = false,
    store_rejects = true, rejects_limit = 0,
    rejects_table = '{relation}_errors', rejects_scan = '{relation}_scans'
);
create table {relation}_files as
select
    _index,
    file,
    path,
    coalesce(
        sum(rows) over (order by _index rows between unbounded preceding and 1 preceding), 0
    )::bigint as first_row
from (select unnest(range({count}))::uinteger as _index, unnest({labels}) as file, unnest({paths}) as path)
left join (select _index, count(*) as rows from {relation}_lines group by _index) using (_index)
"""

# Errors that would hide rows; the files read here have none.
HIDES_ROWS = """
select file
from {relation}_errors
join {relation}_scans using (scan_id, file_id)
join {relation}_files on path = file_path
where error_type = 'UNQUOTED VALUE'
limit 1
"""

# DuckDB has the number of a broken line, the header being line 1; of the others only their order.
BROKEN = """
create table {relation}_broken as
select
    _index,
    file,
    line - 1 as row,
    'broken ' || if(bool_or(contains(csv_line, {no_object})), 'JSON', 'CSV') || ' line: '
        || lower(string_agg(distinct fault, ' and ' order by fault)) as reason,
    json_object('line', any_value(trim(translate(csv_line, {muted}, {unmuted}), e'\\r\\n'))) as content
from (
    select scan_id, file_id, line, csv_line, case {faults} else error_type end as fault
    from {relation}_errors
)
join {relation}_scans using (scan_id, file_id)
join {relation}_files on path = file_path
group by _index, file, line
"""

ROWS = """
create view {relation} as
select {values}, files.file as {FILE}, lines.rowid - files.first_row + 1 as {ROW}
from {relation}_lines as lines
join {relation}_files as files on lines._index = files._index
"""

# The rows after a broken line are one further down.
ROWS_AROUND_BROKEN = """
create view {relation} as
with numbered as (
    select _index, row, row_number() over (partition by _index order by row) as nth from {relation}_broken
),
gaps as (select _index, row - nth as rows_before, max(nth) as shift from numbered group by all),
lines as (
    select lines.*, files.file, lines.rowid - files.first_row + 1 as nth
    from {relation}_lines as lines
    join {relation}_files as files on lines._index = files._index
)
select {values}, lines.file as {FILE}, lines.nth + coalesce(gaps.shift, 0) as {ROW}
from lines
asof left join gaps on lines._index = gaps._index and lines.nth > gaps.rows_before
"""


@dataclass(frozen=True)
class CsvFile:
    """One CSV file, ready to be read.

    Parameters
    ----------
    label : str
        Its path below the raw folder.
    path : Path
        The file, or a copy for DuckDB to read.
    names : tuple of str
        Its columns.
    delimiter : str
    partitions : tuple of Partition
        Columns in the names of its folders.
    """

    label: str
    path: Path
    names: tuple[str, ...]
    delimiter: str
    partitions: tuple[Partition, ...]

    @property
    def shape(self) -> tuple[object, ...]:
        """The key of files that are read together."""
        return self.names, self.delimiter, self.partitions, packing_of(self.path.name)


def stage_csv(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    files: dict[str, Path],
    relation: str,
    temp_folder: Path,
    encoding: str = UTF8,
) -> list[Batch]:
    """One batch for all ``files`` (label to path) with the same header."""
    csv_files = [
        open_file(table, label, path, temp_folder / f"{relation}-{number}", encoding)
        for number, (label, path) in enumerate(files.items())
    ]
    groups = {f"{relation}_{number}": group for number, group in enumerate(group_by_shape(csv_files))}
    return [stage_group(connection, table, group, name) for name, group in groups.items()]


def open_file(table: Table, label: str, path: Path, copy: Path, encoding: str) -> CsvFile:
    """One file with its header, or a copy of it for DuckDB to read row by row."""
    is_json = format_of(path.name) == "json"
    path = as_utf8(path, copy, encoding, label)
    if is_json:
        path = json_as_csv(path, copy.with_suffix(".json-rows"), label)
    header, delimiter = read_header(path, label)
    refuse_duplicate_columns(table, label, header)
    readable = without_broken_quotes(path, copy.with_suffix(".quotes"), len(header), delimiter, label)
    readable = with_even_line_ends(readable, copy.with_suffix(".even"), delimiter, label)
    return CsvFile(label, readable, tuple(unique_names(header)), delimiter, partitions_of(label))


def group_by_shape(csv_files: Iterable[CsvFile]) -> list[list[CsvFile]]:
    """``csv_files`` in groups that can be read together."""
    groups: dict[tuple[object, ...], list[CsvFile]] = {}
    for csv_file in csv_files:
        groups.setdefault(csv_file.shape, []).append(csv_file)
    return list(groups.values())


def read_lines(connection: duckdb.DuckDBPyConnection, csv_files: list[CsvFile], relation: str) -> None:
    """Read all lines of ``csv_files`` into ``<relation>_lines``, with their files.

    Raises
    ------
    SourceError
        They cannot be read.
    """
    first = csv_files[0]
    fields = {
        "relation": relation,
        "files": file_list(csv_file.path for csv_file in csv_files),
        "columns": "{" + ", ".join(f"c{number}: 'VARCHAR'" for number in range(len(first.names))) + "}",
        "delimiter": literal(first.delimiter),
        "compression": literal(packing_of(first.path.name)),
        "count": len(csv_files),
        "labels": f"[{', '.join(literal(csv_file.label) for csv_file in csv_files)}]",
        "paths": f"[{', '.join(literal(csv_file.path) for csv_file in csv_files)}]",
    }
    with source_errors(label_of([csv_file.label for csv_file in csv_files])):
        connection.execute(READ.format(**fields))
    for (label,) in connection.execute(HIDES_ROWS.format(relation=relation)).fetchall():
        raise SourceError(f"{label} cannot be read: a quote in it hides the rows after it")


def stage_group(
    connection: duckdb.DuckDBPyConnection, table: Table, csv_files: list[CsvFile], relation: str
) -> Batch:
    """Read ``csv_files`` of one shape; broken lines go to ``<relation>_broken``."""
    read_lines(connection, csv_files, relation)
    first, label = csv_files[0], label_of([csv_file.label for csv_file in csv_files])
    added_partitions = added_columns(first.partitions, list(first.names))
    names = [*first.names, *(partition.column for partition in added_partitions)]
    columns = match_columns(table, label, dict.fromkeys(names, "VARCHAR"))
    values = [f"lines.c{number} as {quoted(name)}" for number, name in enumerate(first.names)]
    values += [f"{partition.value('file')} as {quoted(partition.column)}" for partition in added_partitions]
    fields = {"relation": relation, "FILE": FILE, "ROW": ROW, "values": ", ".join(values)}
    has_broken = set_broken_aside(connection, relation, first.delimiter)
    connection.execute((ROWS_AROUND_BROKEN if has_broken else ROWS).format(**fields))
    batch = Batch(table, label, relation, columns, f"{relation}_broken" if has_broken else None)
    refuse_clashes(connection, batch, tuple(set(first.partitions) - set(added_partitions)))
    return batch


def set_broken_aside(connection: duckdb.DuckDBPyConnection, relation: str, delimiter: str) -> bool:
    """Make ``<relation>_broken``; return whether there is a broken line."""
    faults = [
        f"when contains(csv_line, {literal(mark.decode())}) then {literal(text)}"
        for mark, text in REASONS.items()
    ]
    fields = {
        "relation": relation,
        "muted": literal(MUTED),
        "unmuted": literal(unmuted(delimiter)),
        "no_object": literal(NO_OBJECT.decode()),
        "faults": " ".join(faults),
    }
    connection.execute(BROKEN.format(**fields))
    return bool(connection.execute(f"select count(*) from {relation}_broken").fetchall()[0][0])
