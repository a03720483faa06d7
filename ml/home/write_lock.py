"""Locks of a home's one writer, and of one folder; the system frees them at any end of their process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.common.errors import BusyError

LOCK = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one process or thread at a time works on ``folder``; others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def write_lock(root: Path, what: str) -> Iterator[None]:
    """Hold the lock of the home ``root`` for the command ``what``; the file says who has it.

    Raises
    ------
    BusyError
        Another process has it.
    """
    with (root / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            writer = lock.read().strip() or "another command"
            raise BusyError(f"{writer} is writing to {root}: wait for it to end, then try again") from error
        lock.truncate(0)
        lock.write(f"'churn {what}' (process {os.getpid()})")
        lock.flush()
        yield
