"""What the online store has materialized, read without Feast: the build and the instant of each view."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ml.common.errors import OnlineDamagedError
from ml.common.paths import online_file

MATERIALIZED = "select view, source, until from materialized order by view"


@dataclass(frozen=True)
class OnlineView:
    """A view in the store: the build it was loaded from, and its as-of instant, naive UTC."""

    view: str
    build: str
    until: datetime


@contextmanager
def damage_as_error(path: Path) -> Iterator[None]:
    """Turn an error about a damaged database into one with a remedy.

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
    """Build -> the latest as-of instant of its views, naive UTC.

    Empty if nothing is online. There is more than one build only if single views were materialized by hand.
    """
    views = online_views(home)
    return {view.build: max(other.until for other in views if other.build == view.build) for view in views}


def online_views(home: Path) -> list[OnlineView]:
    """Every view that is online; empty if there is none.

    Raises
    ------
    OnlineDamagedError
        The file is no database, or a damaged one.
    """
    path = online_file(home)
    if not path.exists():
        return []
    address = f"{path.absolute().as_uri()}?mode=rw"
    with damage_as_error(path), closing(sqlite3.connect(address, uri=True)) as connection:
        return [
            # a source is <build>/features/<model>
            OnlineView(view, Path(source).parents[1].name, datetime.fromisoformat(until))
            for view, source, until in rows(connection)
        ]


def rows(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Views, sources and instants; none if the store has never been written."""
    try:
        return connection.execute(MATERIALIZED).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
