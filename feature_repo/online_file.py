"""Connections to the online store's file: waiting, at rest on a full disk, within a transaction."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_repo.online_layout import settle
from feature_repo.online_state import damage_told

BUSY_SECONDS = 60


def connect(path: Path) -> sqlite3.Connection:
    """A connection that waits for a writer instead of failing, and reads while one writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    with damage_told(path):
        connection.execute("pragma journal_mode = wal")
        settle(connection, path)
    return connection


def connect_at_rest(path: Path) -> sqlite3.Connection:
    """A connection that only reads and writes no file at all, not even the index of the log: for a full disk.

    Raises
    ------
    OperationalError
        The log holds changes that are not in the file yet.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise sqlite3.OperationalError(f"{path} cannot be read while the disk is full: free some space")
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None)


@contextmanager
def within(connection: sqlite3.Connection, begin: str) -> Iterator[sqlite3.Connection]:
    """A transaction, or a part of the one that has begun."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute(begin)
    try:
        yield connection
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")
