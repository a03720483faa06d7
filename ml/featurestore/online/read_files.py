"""The files that the online store has read for a view outside a build, recorded beside the values.

If only files were added since, only the keys in them can have late rows. If anything else changed, any value
may have changed.
"""

import json
import sqlite3
from typing import Any

TABLE = "create table if not exists read_files (view text primary key, said text)"


def note(connection: sqlite3.Connection, view: str, fingerprint: dict[str, Any]) -> None:
    """Record what was read (``Source.fingerprint``)."""
    connection.execute(TABLE)
    connection.execute("insert or replace into read_files values (?, ?)", (view, json.dumps(fingerprint)))


def added_since(connection: sqlite3.Connection, view: str, fingerprint: dict[str, Any]) -> list[str] | None:
    """The files added since the view was read; None if more than that may have changed."""
    connection.execute(TABLE)
    row = connection.execute("select said from read_files where view = ?", (view,)).fetchone()
    before = json.loads(row[0]) if row else None
    if before is None or before | {"files": []} != fingerprint | {"files": []}:
        return None
    present = {file: state for file, *state in fingerprint["files"]}
    if any(present.get(file) != state for file, *state in before["files"]):
        return None
    return sorted(present.keys() - {file for file, *_ in before["files"]})
