"""Leases: who reads a build holds a lock on it, and whoever removes one skips those that are being read.

A lease is a shared lock on ``<build>/.lease``; the system frees it when its process ends, however it ends.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEASE = ".lease"
REMOVING = ".removing"


@contextmanager
def lease(build: Path) -> Iterator[bool]:
    """Hold ``build``; gives whether it is still there, for it may have been removed just before."""
    handle = hold(build)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def hold(build: Path) -> int | None:
    """Hold ``build`` until the handle that comes back is closed; None when it is no longer there."""
    try:
        handle = open_lease(build)
    except FileNotFoundError:
        return None
    fcntl.flock(handle, fcntl.LOCK_SH)
    if in_place(handle, build):
        return handle
    os.close(handle)
    return None


def open_lease(build: Path) -> int:
    """The lease file of ``build``, made if it has none."""
    try:
        return os.open(build / LEASE, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(build / LEASE, os.O_RDONLY | os.O_CREAT, 0o666)


def in_place(handle: int, build: Path) -> bool:
    """Whether the lease that is open is the one now under ``build``."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(build / LEASE))
    except FileNotFoundError:
        return False


def remove_unless_read(build: Path) -> bool:
    """Remove ``build`` unless somebody holds it; gives whether it is gone.

    It is renamed first: from that instant it counts as a build no more, whatever becomes of the rest.
    """
    try:
        handle = open_lease(build)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        doomed = renamed_away(build)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def remove(folder: Path) -> None:
    """Remove a folder that nobody holds leases on, in the same two steps."""
    shutil.rmtree(renamed_away(folder), ignore_errors=True)


def renamed_away(folder: Path) -> Path:
    """Give ``folder`` a name under which nobody looks for it."""
    return folder.rename(folder.with_name(folder.name + REMOVING))


def finish_removals(parent: Path) -> None:
    """Delete what a killed removal left in ``parent``."""
    for doomed in parent.glob(f"*{REMOVING}"):
        shutil.rmtree(doomed, ignore_errors=True)
