"""What the online store says it holds, read without Feast: of which build, as of which instant."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ml.common.errors import OnlineDamagedError
from ml.common.paths import online_file

HELD = "select view, source, until from materialized order by view"


@dataclass(frozen=True)
class Mark:
    """That the store holds ``view`` from ``build`` as of ``until``, naive UTC."""

    view: str
    build: str
    until: datetime


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Say what to do about a file that is not the database it was.

    Raises
    ------
    OnlineDamagedError
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        raise OnlineDamagedError(
            f"{path} is damaged ({error}): delete it with its -wal and -shm, then run 'churn materialize'"
        ) from error


def online_builds(home: Path) -> dict[str, datetime]:
    """Build -> the latest instant up to which a view holds it, in naive UTC.

    Empty when nothing is online. More than one build only if somebody materialized single views by hand.
    """
    held = online_marks(home)
    return {mark.build: max(one.until for one in held if one.build == mark.build) for mark in held}


def online_marks(home: Path) -> list[Mark]:
    """What every view is online of; empty when nothing is.

    Raises
    ------
    OnlineDamagedError
        The file is not the database it was.
    """
    path = online_file(home)
    if not path.exists():
        return []
    address = f"{path.absolute().as_uri()}?mode=rw"
    with damage_told(path), closing(sqlite3.connect(address, uri=True)) as connection:
        return [
            Mark(view, build_of(source), datetime.fromisoformat(until))
            for view, source, until in rows(connection)
        ]


def rows(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Views, sources and instants; none in a store that has never been written to."""
    try:
        return connection.execute(HELD).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise


def build_of(source: str) -> str:
    """The build that a source belongs to: its folder is ``<build>/features/<model>``."""
    return Path(source).parents[1].name
