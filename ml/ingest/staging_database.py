"""The unfinished folder and the staging database of one load."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from ml.common.durable_files import sync_folder, sync_tree
from ml.common.errors import TidemarkError, UsageError
from ml.common.instant_grammar import parse_offset
from ml.common.instants import utc_now
from ml.common.memory import memory_limit
from ml.common.sql import literal
from ml.home.erased_keys import read_erased_keys
from ml.home.layout import Home, discard_unfinished, next_name
from ml.ingest.manifest import read_load_manifest
from ml.ingest.row_checks import Rules
from ml.ingest.value_formats import ValueFormats, checked_formats

MEMORY_LIMIT = "2GB"  # ingest streams; more is needed only for duplicates of very large tables
NO_ZONE = "there is no time zone {!r}: give UTC, a place such as Europe/Berlin, or an offset such as +02:00"


@dataclass(frozen=True)
class Load:
    """One unfinished load.

    Parameters
    ----------
    name : str
    folder : Path
        Its folder until it is published.
    earlier : Path, optional
        The load it is appended to.
    connection : duckdb.DuckDBPyConnection
        The staging database.
    rules : Rules
    dates_known : str, optional
        ``end-of-day`` where dates without a time of day are known at the end of their day.
    """

    name: str
    folder: Path
    earlier: Path | None
    connection: duckdb.DuckDBPyConnection
    rules: Rules
    dates_known: str | None = None

    @property
    def temp_folder(self) -> Path:
        """A folder that is removed at the end of the load."""
        return self.folder / "work"


@contextmanager
def unfinished_load(
    home: Home, append: bool, formats: ValueFormats, dates_known: str | None = None, dry_run: bool = False
) -> Iterator[Load]:
    """A new load; its folder gets its final name at the end, and is removed on any failure or dry run."""
    discard_unfinished(home.raw)
    earlier = (home.raw / "current").resolve() if append and (home.raw / "current").exists() else None
    name = next_name(home.raw, "load")
    folder = home.raw / f"{name}.unfinished"
    temp_folder = folder / "work"
    temp_folder.mkdir(parents=True)
    zone = checked_zone(formats.zone)
    if earlier and not dates_known:
        dates_known = read_load_manifest(earlier).get("dates_known")
    try:
        with closing(working_database(temp_folder, zone)) as connection:
            formats_ = checked_formats(replace(formats, zone=zone), connection)
            rules = Rules(formats_, utc_now(), folder, read_erased_keys(home.root))
            yield Load(name, folder, earlier, connection, rules, dates_known)
        if not dry_run:
            shutil.rmtree(temp_folder)
            sync_tree(folder)
            folder.rename(home.raw / name)
            sync_folder(home.raw)
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise TidemarkError(f"the load could not be made, nothing was published: {message}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def checked_zone(zone: str) -> str:
    """``zone``, if it is UTC, an offset, or a place; an abbreviation such as CST stands for several zones.

    Raises
    ------
    UsageError
    """
    if zone.upper() == "UTC":
        return "UTC"
    if "/" not in zone and parse_offset(zone) is None:
        raise UsageError(NO_ZONE.format(zone))
    return zone


def working_database(folder: Path, zone: str) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills to ``folder``, downloads nothing and has the time zone ``zone``.

    Raises
    ------
    UsageError
        There is no such time zone.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(folder),
        "memory_limit": memory_limit(MEMORY_LIMIT),
        "autoinstall_known_extensions": False,
    }
    connection = duckdb.connect(config=settings)
    try:
        connection.execute(f"set timezone = {literal('UTC' if parse_offset(zone) is not None else zone)}")
    except duckdb.Error:
        connection.close()
        raise UsageError(NO_ZONE.format(zone)) from None
    return connection


def count_rows(load: Load, relation: str) -> int:
    """Rows in ``relation``."""
    return int(load.connection.execute(f"select count(*) from {relation}").fetchall()[0][0])
