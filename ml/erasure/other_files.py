"""Any other file of a home in which the search finds a person: scores, pages, logs, databases.

Hits come in; each file is written anew without the person by what it is. A page (HTML, SVG) is removed, for
the command that made it makes it again. A file that is none of these stays, and the search names it.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ml.erasure import duckdb_rows, parquet_rows, sqlite_rows, text_rows
from ml.erasure.file_kinds import FileKind, kind_of_file
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.swapped_files import rewrite_shared
from ml.home.layout import Home

# SQLite files of which each is written once, and read as one that never changes.
NEVER_CHANGED = "serve/scored/"
WITH_OWN_ROOM = ("predictions/log.db", "journal/pushes.db")
# What the user wrote: a line less could break it.
WRITTEN_BY_HAND = "project/"
LOGS_OF_SQLITE = ("-wal", "-shm", "-journal")


@dataclass
class Changed:
    """What was done to some files.

    Parameters
    ----------
    rows : dict
        File to the rows or lines that went or changed.
    removed : list of str
        Files that are gone.
    """

    rows: dict[str, int] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


def erase_from_others(home: Home, names: Iterable[str], rows: RowsToErase) -> Changed:
    """Erase a person from some files of a home, named relative to it."""
    changed = Changed()
    for name in names:
        path = home.root / name
        if not path.exists() or name.startswith(WRITTEN_BY_HAND):
            continue
        kind = kind_of_file(path)
        if kind is FileKind.PAGE:
            path.unlink()
            changed.removed.append(name)
        elif (count := erase_from_file(path, name, kind, rows)) is not None:
            changed.rows[name] = count
    return changed


def erase_from_file(path: Path, name: str, kind: FileKind, rows: RowsToErase) -> int | None:
    """Erase a person from one file; None if this kind of file cannot be written anew."""
    if kind is FileKind.PARQUET:
        lost = rewrite_shared([path], lambda old, fresh: parquet_rows.erase_rows(old, fresh, rows))
        return lost.get(path, 0)
    if kind is FileKind.SQLITE:
        if name in WITH_OWN_ROOM:  # its rows went before: what is left is in free pages
            with sqlite_rows.opened(path) as connection:
                sqlite_rows.vacuum(connection)
            return 0
        return sqlite_rows.erase_rows(path, rows, is_read_in_place=not name.startswith(NEVER_CHANGED))
    if kind is FileKind.DUCKDB:
        return duckdb_rows.erase_rows(path, rows)
    if path.name.endswith(LOGS_OF_SQLITE) and kind is FileKind.OTHER:
        database = path.with_name(path.name.rpartition("-")[0])
        if database.exists() and kind_of_file(database) is FileKind.SQLITE:
            with sqlite_rows.opened(database) as connection:
                sqlite_rows.vacuum(connection)
        return 0
    return text_rows.erase_rows(path, kind, rows) if kind in text_rows.TEXTS else None


def remove_unfinished(home: Home) -> None:
    """Remove what killed commands left, which no command reads: unfinished loads and builds, removals."""
    for pattern in ("raw/*.unfinished", "*/*.removing"):
        for folder in home.root.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)
