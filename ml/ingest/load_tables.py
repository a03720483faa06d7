"""Every table of a load: read, check, write accepted and rejected rows, and count.

An open source comes in; the table folders of the load and the relation ``rejected`` go out.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.common.durable_files import link_or_copy
from ml.common.errors import SourceError, TidemarkError
from ml.common.progress import Bar, Progress
from ml.common.sql import literal, parquet, quoted
from ml.ingest.batch import Batch, rows_of
from ml.ingest.change_log import with_deletions
from ml.ingest.contract import Table
from ml.ingest.dates_without_time import has_only_dates, known_at_day_end, may_be_dates
from ml.ingest.declaration import raw_tables
from ml.ingest.deletions import complete_deletions
from ml.ingest.duplicates import find_conflicts
from ml.ingest.manifest import Counts
from ml.ingest.missing_values import count_markers
from ml.ingest.rejected_rows import CREATE, insert_rejected
from ml.ingest.row_checks import FAULT, check_part, create_read_table
from ml.ingest.sources import Source
from ml.ingest.staging_database import Load, count_rows
from ml.ingest.waiting_rows import Retried, retry_waiting, write_waiting

ACCEPTED = """
copy (select {columns} from read_{name} where {FAULT} is null {unrefused} {again})
to {file} (format parquet, compression zstd)
"""

# One or two letters of a column name may differ (difflib's ratio); lower values match other columns.
SIMILARITY_MIN = 0.85
UNREFUSED = "and (_file, _row) not in (select (_file, _row) from refused_{name})"


@dataclass(frozen=True)
class LoadResult:
    """The result of loading a source.

    Parameters
    ----------
    counts : dict
        Rows read, accepted and rejected of each table.
    batches : dict
        The batches each table was read from.
    markers : list of dict
        The markers of missing values (``markers.count_markers``).
    retried : dict
        The waiting rows of earlier ingests after their retry, by table.
    """

    counts: Counts
    batches: dict[str, list[Batch]]
    markers: list[dict[str, Any]]
    retried: dict[str, Retried]


def load_tables(load: Load, raw_source: Source, progress: Progress) -> LoadResult:
    """Read, check and write every table; referenced tables come first."""
    load.connection.execute(CREATE)
    with progress.bar("Reading", 2 * len(raw_tables())) as bar:
        batches = stage_tables(load, raw_source, bar)
        for table in raw_tables():
            for note in misspelt(table, batches[table.name]):
                progress.say(note)
        results = {table.name: load_table(load, table, batches[table.name], bar) for table in raw_tables()}
        stated = load.rules.formats.missing
        markers = [
            marker for table in raw_tables() for marker in count_markers(load.connection, table, stated)
        ]
        counts = {name: counts_of_table for name, (counts_of_table, _) in results.items()}
        return LoadResult(counts, batches, markers, {name: retried for name, (_, retried) in results.items()})


def stage_tables(load: Load, raw_source: Source, bar: Bar) -> dict[str, list[Batch]]:
    """The batches of all tables, from one snapshot.

    Raises
    ------
    SourceError
        A batch cannot be read, lacks a required column, or a required table has no rows.
    """
    batches: dict[str, list[Batch]] = {}
    load.connection.begin()
    for table in raw_tables():
        bar.step(f"Reading {table.name}")
        batches_read = raw_source.batches(load.connection, table, load.temp_folder)
        batches[table.name] = [with_deletions(load.connection, batch) for batch in batches_read]
        if table.required and not load.earlier and not count_read(load, batches[table.name]):
            raise SourceError(f"{raw_source.label} has no rows in the required table {table.name}")
    load.connection.commit()
    return batches


def count_read(load: Load, batches: list[Batch]) -> int:
    """The number of rows in ``batches``, including broken ones."""
    relations = [name for batch in batches for name in (batch.relation, batch.broken) if name]
    return sum(count_rows(load, name) for name in relations)


def load_table(load: Load, table: Table, batches: list[Batch], bar: Bar) -> tuple[dict[str, int], Retried]:
    """Check and write one table; return the counts of its rows, and the retried ones."""
    bar.step(f"Checking {table.name}")
    folder = load.folder / table.name
    earlier = link_earlier(load, table.name)
    extras = extra_columns(batches)
    target = create_read_table(load.connection, table, extras)
    for batch in batches:
        check_part(load.connection, batch, target, load.rules)
    retried = retry_waiting(load, table, earlier)
    loaded = loaded_rows(load, table, earlier, retried)
    complete_deletions(load.connection, table, loaded)
    find_conflicts(load.connection, table, loaded)
    before = count_rows(load, "rejected")
    insert_rejected(load.connection, table.name, batches, load.name)
    write_waiting(load, table, extras)
    file = folder / f"{load.name}.parquet"
    counts = {
        "read": count_read(load, batches),
        "accepted": write_accepted(load, table, extras, file, retried, bool(earlier)),
        "rejected": count_rows(load, "rejected") - before,
    }
    return checked_counts(table.name, counts), retried


def loaded_rows(load: Load, table: Table, earlier: list[Path], retried: Retried) -> str | None:
    """The rows loaded before this ingest's own: earlier ones, and accepted waiting rows."""
    relations = [rows_of(table, load.folder / table.name)] if earlier else []
    relations += [parquet([retried.file])] if retried.file else []
    return (
        f"({' union all by name '.join(f'from {relation}' for relation in relations)})" if relations else None
    )


def misspelt(table: Table, batches: list[Batch]) -> list[str]:
    """A note for each of the user's own columns that may be a missing column of the contract."""
    notes = []
    for batch in batches:
        missing = [name for name in table.names if name not in batch.columns]
        for name in batch.extras:
            if similar := difflib.get_close_matches(name.lower(), missing, 1, SIMILARITY_MIN):
                notes.append(f"{batch.label}: the column {name} is not used: did you mean {similar[0]}?")
    return notes


def extra_columns(batches: list[Batch]) -> list[str]:
    """The distinct extra columns of all ``batches``, ignoring case as SQL does."""
    names: dict[str, str] = {}
    for batch in batches:
        for name in batch.extras:
            names.setdefault(name.lower(), name)
    return list(names.values())


def link_earlier(load: Load, name: str) -> list[Path]:
    """Link the files of table ``name`` from earlier loads into this one."""
    folder = load.folder / name
    folder.mkdir()
    files = sorted((load.earlier / name).glob("*.parquet")) if load.earlier else []
    for file in files:
        link_or_copy(file, folder / file.name)
    return files


def write_accepted(
    load: Load, table: Table, extras: list[str], file: Path, retried: Retried, has_earlier: bool
) -> int:
    """Write the accepted rows and the accepted waiting rows; return the number of this ingest's own.

    An empty file is written only if there is no other.
    """
    columns = [*table.names, "_file", "_row", *map(quoted, extras)]
    read_table, zone = f"read_{table.name}", load.rules.zone
    of_days = (
        load.dates_known and may_be_dates(table) and has_only_dates(load.connection, read_table, table, zone)
    )
    if table.period or of_days:
        columns[columns.index(table.version)] = f"{known_at_day_end(table, zone)} as {table.version}"
    fields = {
        "columns": ", ".join(columns),
        "name": table.name,
        "FAULT": FAULT,
        "file": literal(file),
        "unrefused": UNREFUSED.format(name=table.name) if count_rows(load, f"refused_{table.name}") else "",
        "again": f"union all by name from {parquet([retried.file])}" if retried.file else "",
    }
    rows = int(load.connection.execute(ACCEPTED.format(**fields)).fetchall()[0][0])
    if not rows and has_earlier:
        file.unlink()
    return rows - retried.accepted


def checked_counts(name: str, counts: dict[str, int]) -> dict[str, int]:
    """``counts``, after the check that accepted + rejected = read.

    Raises
    ------
    TidemarkError
        A row was lost: a defect of the program, not of the data.
    """
    if counts["accepted"] + counts["rejected"] != counts["read"]:
        raise TidemarkError(
            f"{name}: {counts['read']} rows read, but {counts['accepted']} accepted and {counts['rejected']} "
            "rejected; nothing was loaded, please report this defect"
        )
    return counts
