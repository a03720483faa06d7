"""Connections to the online store's file: waiting, read-only on a full disk, within a transaction."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.common.errors import NotOnlineError
from ml.featurestore.online.status import damage_as_error
from ml.featurestore.online.table_names import prepare_layout

BUSY_SECONDS = 60  # no transaction of the store takes as long
# A reader may see a replaced file this long; a check before every read would take half as long as the read.
CHECK_SECONDS = 0.05


class OpenConnection:
    """A connection, valid in this process while its path leads to the same file.

    Parameters
    ----------
    path : Path
    to_read : bool
        Whether the file has to exist.

    Raises
    ------
    NotOnlineError
        There is no such file to read.
    """

    def __init__(self, path: Path, to_read: bool):
        if to_read and not path.exists():
            raise NotOnlineError(f"nothing is online yet in {path}: run 'churn materialize' first")
        self.connection = connect(path)
        self._name, self._process = str(path), os.getpid()
        self._file, self._checked_at = file_of(self._name), time.monotonic()

    def is_current(self, to_read: bool) -> bool:
        """Whether the connection may be used; always within a transaction, which belongs to one file.

        A reader checks the file every ``CHECK_SECONDS`` only.
        """
        if self.connection.in_transaction:
            return True
        if os.getpid() != self._process:
            return False
        now = time.monotonic()
        if to_read and now - self._checked_at < CHECK_SECONDS:
            return True
        if file_of(self._name) != self._file:
            return False
        self._checked_at = now
        return True


def file_of(name: str) -> tuple[int, int] | None:
    """Device and inode of the file; None if there is none."""
    try:
        state = os.stat(name)
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino


def connect(path: Path) -> sqlite3.Connection:
    """A connection that waits for a writer instead of failing, and reads during a write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    with damage_as_error(path):
        connection.execute("pragma journal_mode = wal")
        prepare_layout(connection, path)
    return connection


def connect_at_rest(path: Path) -> sqlite3.Connection:
    """A read-only connection that writes no file, not even the index of the log: for a full disk.

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
