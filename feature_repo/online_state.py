"""What the online store says it holds, read without Feast: of which build, as of which instant."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from feature_repo.paths import online_file

HELD = "select distinct source, until from materialized"


def online_builds(home: Path) -> dict[str, datetime]:
    """Build -> the latest instant up to which a view holds it, in naive UTC.

    Empty when nothing is online. More than one build only if somebody materialized single views by hand.
    """
    path = online_file(home)
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        held = [(build_of(source), until) for source, until in rows(connection)]
    return {build: datetime.fromisoformat(max(at for one, at in held if one == build)) for build, _ in held}


def rows(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Sources and instants; none in a store that has never been written to."""
    try:
        return connection.execute(HELD).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise


def build_of(source: str) -> str:
    """The build that a source belongs to: its folder is ``<build>/features/<model>``."""
    return Path(source).parents[1].name
