"""Every table of a load: read, check, write what holds, keep what does not, and count.

Comes in: an open source. Goes out: the table folders of the load, and the relation ``rejected``.
"""

import difflib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.common.errors import SourceError, TidemarkError
from ml.common.progress import Bar, Progress
from ml.common.sql import literal, parquet, quoted
from ml.ingest.batch import Part, rows_of
from ml.ingest.change_log import with_deletions
from ml.ingest.checks import FAULT, check_part, create_read_table
from ml.ingest.contract import Table
from ml.ingest.dates import RECORDED, has_only_dates, known_at_day_end, may_be_dates
from ml.ingest.declaration import raw_tables
from ml.ingest.deletions import complete_deletions
from ml.ingest.duplicates import refuse_copies
from ml.ingest.manifest import Counts
from ml.ingest.markers import count_markers
from ml.ingest.rejected import CREATE, keep_rejected
from ml.ingest.sources import Source
from ml.ingest.staging_database import Load, count_rows
from ml.ingest.waiting import Again, keep_waiting, try_again

ACCEPTED = """
copy (select {columns} from read_{name} where {FAULT} is null {unrefused} {again})
to {file} (format parquet, compression zstd)
"""

ALIKE = 0.85
UNREFUSED = "and (_file, _row) not in (select (_file, _row) from refused_{name})"


@dataclass(frozen=True)
class Filled:
    """What became of a source.

    Parameters
    ----------
    counts : dict
        Rows read, accepted and rejected of each table.
    parts : dict
        What each table was read from.
    markers : list of dict
        The markers of missing values that were met (``markers.count_markers``).
    again : dict
        What became of the rows of earlier ingests that waited, by table.
    """

    counts: Counts
    parts: dict[str, list[Part]]
    markers: list[dict[str, Any]]
    again: dict[str, Again]


def fill(load: Load, found: Source, progress: Progress) -> Filled:
    """Read, check and write every table, those first that others refer to."""
    load.connection.execute(CREATE)
    with progress.bar("Reading", 2 * len(raw_tables())) as bar:
        parts = stage(load, found, bar)
        for table in raw_tables():
            for note in misspelt(table, parts[table.name]):
                progress.say(note)
        filled = {table.name: fill_table(load, table, parts[table.name], bar) for table in raw_tables()}
        markers = [marker for table in raw_tables() for marker in count_markers(load.connection, table)]
        counts = {name: counted for name, (counted, _) in filled.items()}
        return Filled(counts, parts, markers, {name: again for name, (_, again) in filled.items()})


def stage(load: Load, found: Source, bar: Bar) -> dict[str, list[Part]]:
    """All parts of all tables, as they were at one moment.

    Raises
    ------
    SourceError
        A part cannot be read, lacks a required column, or a required table has no rows.
    """
    parts: dict[str, list[Part]] = {}
    load.connection.begin()
    for table in raw_tables():
        bar.step(f"Reading {table.name}")
        delivered = found.parts(load.connection, table, load.work)
        parts[table.name] = [with_deletions(load.connection, part) for part in delivered]
        if table.required and not load.earlier and not count_read(load, parts[table.name]):
            raise SourceError(f"{found.label} has no rows in the required table {table.name}")
    load.connection.commit()
    return parts


def count_read(load: Load, parts: list[Part]) -> int:
    """Rows in ``parts``, broken ones included."""
    relations = [name for part in parts for name in (part.relation, part.broken) if name]
    return sum(count_rows(load, name) for name in relations)


def fill_table(load: Load, table: Table, parts: list[Part], bar: Bar) -> tuple[dict[str, int], Again]:
    """Check and write one table; its own rows read, accepted, rejected, and those that had waited."""
    bar.step(f"Checking {table.name}")
    folder = load.folder / table.name
    earlier = link_earlier(load, table.name)
    extras = extra_columns(parts)
    target = create_read_table(load.connection, table, extras)
    for part in parts:
        check_part(load.connection, part, target, load.rules)
    again = try_again(load, table, earlier)
    loaded = loaded_rows(load, table, earlier, again)
    complete_deletions(load.connection, table, loaded)
    refuse_copies(load.connection, table, loaded)
    before = count_rows(load, "rejected")
    keep_rejected(load.connection, table.name, parts, load.name)
    keep_waiting(load, table, extras)
    file = folder / f"{load.name}.parquet"
    counts = {
        "read": count_read(load, parts),
        "accepted": write_accepted(load, table, extras, file, again, bool(earlier)),
        "rejected": count_rows(load, "rejected") - before,
    }
    return balanced(table.name, counts), again


def loaded_rows(load: Load, table: Table, earlier: list[Path], again: Again) -> str | None:
    """The rows that are there before this ingest's own: earlier ones, and those that had waited."""
    found = [rows_of(table, load.folder / table.name)] if earlier else []
    found += [parquet([again.file])] if again.file else []
    return f"({' union all by name '.join(f'from {each}' for each in found)})" if found else None


def misspelt(table: Table, parts: list[Part]) -> list[str]:
    """One note for each of the user's own columns that looks like one of the contract that is missing."""
    notes = []
    for part in parts:
        missing = [name for name in table.names if name not in part.columns]
        for name in part.extras:
            if near := difflib.get_close_matches(name.lower(), missing, 1, ALIKE):
                notes.append(f"{part.label}: the column {name} is not used: did you mean {near[0]}?")
    return notes


def extra_columns(parts: list[Part]) -> list[str]:
    """The user's own columns over all ``parts``, each once (SQL minds no case)."""
    names: dict[str, str] = {}
    for part in parts:
        for name in part.extras:
            names.setdefault(name.lower(), name)
    return list(names.values())


def link_earlier(load: Load, name: str) -> list[Path]:
    """Put the files that earlier loads wrote of table ``name`` into this one, without copying them."""
    folder = load.folder / name
    folder.mkdir()
    files = sorted((load.earlier / name).glob("*.parquet")) if load.earlier else []
    for file in files:
        try:
            os.link(file, folder / file.name)
        except OSError:
            shutil.copy2(file, folder / file.name)
    return files


def write_accepted(
    load: Load, table: Table, extras: list[str], file: Path, again: Again, has_earlier: bool
) -> int:
    """Write the rows that passed every check, and those that had waited; how many are this ingest's own.

    An empty file is only where there is no other.
    """
    columns = [*table.names, "_file", "_row", *map(quoted, extras)]
    read, zone = f"read_{table.name}", load.rules.zone
    if load.dates_known and may_be_dates(table) and has_only_dates(load.connection, read, table, zone):
        columns[columns.index(RECORDED)] = f"{known_at_day_end(table, zone)} as {RECORDED}"
    words = {
        "columns": ", ".join(columns),
        "name": table.name,
        "FAULT": FAULT,
        "file": literal(file),
        "unrefused": UNREFUSED.format(name=table.name) if count_rows(load, f"refused_{table.name}") else "",
        "again": f"union all by name from {parquet([again.file])}" if again.file else "",
    }
    rows = int(load.connection.execute(ACCEPTED.format(**words)).fetchall()[0][0])
    if not rows and has_earlier:
        file.unlink()
    return rows - again.accepted


def balanced(name: str, counts: dict[str, int]) -> dict[str, int]:
    """``counts``, once accepted + rejected = read is certain.

    Raises
    ------
    TidemarkError
        A row got lost: a defect of the program, not of the data.
    """
    if counts["accepted"] + counts["rejected"] != counts["read"]:
        raise TidemarkError(
            f"{name}: {counts['read']} rows read, but {counts['accepted']} accepted and {counts['rejected']} "
            "rejected; nothing was loaded, please report this defect"
        )
    return counts
