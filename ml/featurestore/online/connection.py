"""Connections to the online store's file: waiting, at rest on a full disk, within a transaction."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.featurestore.online.layout import settle
from ml.featurestore.online.status import damage_told

BUSY_SECONDS = 60
LOOK_SECONDS = 0.05


class Opened:
    """A connection, for as long as its file has the name under which it was opened, in this process.

    Parameters
    ----------
    path : Path
    to_read : bool
        Whether the file has to be there.

    Raises
    ------
    FileNotFoundError
        There is no such file to read.
    """

    def __init__(self, path: Path, to_read: bool):
        if to_read and not path.exists():
            raise FileNotFoundError(f"nothing is online yet in {path}: run 'churn materialize' first")
        self.connection = connect(path)
        self._name, self._process = str(path), os.getpid()
        self._file, self._looked = file_of(self._name), time.monotonic()

    def is_current(self, to_read: bool) -> bool:
        """Whether it may be used: always within a transaction, which is of one file.

        Whoever reads looks now and then only, for a look would take as long as half a read of a row.
        """
        if self.connection.in_transaction:
            return True
        if os.getpid() != self._process:
            return False
        now = time.monotonic()
        if to_read and now - self._looked < LOOK_SECONDS:
            return True
        if file_of(self._name) != self._file:
            return False
        self._looked = now
        return True


def file_of(name: str) -> tuple[int, int] | None:
    """What tells the file of a name from others; None without one."""
    try:
        state = os.stat(name)
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino


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
