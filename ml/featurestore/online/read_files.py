"""Which files the online store has read for a view that is of no build, kept beside the values.

Where only files were added since, only the keys in them can have rows that came late. Where anything else
changed, any value may have.
"""

import json
import sqlite3
from typing import Any

TABLE = "create table if not exists read_files (view text primary key, said text)"


def note(connection: sqlite3.Connection, view: str, said: dict[str, Any]) -> None:
    """Remember what was read (``Source.said``)."""
    connection.execute(TABLE)
    connection.execute("insert or replace into read_files values (?, ?)", (view, json.dumps(said)))


def added_since(connection: sqlite3.Connection, view: str, said: dict[str, Any]) -> list[str] | None:
    """The files that were not there when the view was read; None where more than that may have changed."""
    connection.execute(TABLE)
    row = connection.execute("select said from read_files where view = ?", (view,)).fetchone()
    before = json.loads(row[0]) if row else None
    if before is None or before | {"files": []} != said | {"files": []}:
        return None
    present = {file: rest for file, *rest in said["files"]}
    if any(present.get(file) != rest for file, *rest in before["files"]):
        return None
    return sorted(present.keys() - {file for file, *_ in before["files"]})
