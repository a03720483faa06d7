"""Leases: a reader of a build locks it, and removal skips locked builds.

A lease is a shared lock on ``<build>/.lease``; the system frees it at any end of its process.
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
    """Hold a lease on ``build``; the value is whether it exists, because it may just have been removed."""
    handle = hold(build)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def hold(build: Path) -> int | None:
    """Hold a lease on ``build`` until the returned handle is closed; None if the build is gone."""
    try:
        handle = open_lease(build)
    except FileNotFoundError:
        return None
    fcntl.flock(handle, fcntl.LOCK_SH)
    if is_current(handle, build):
        return handle
    os.close(handle)
    return None


def open_lease(build: Path) -> int:
    """Open the lease file of ``build``, or make it."""
    try:
        return os.open(build / LEASE, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(build / LEASE, os.O_RDONLY | os.O_CREAT, 0o666)


def is_current(handle: int, build: Path) -> bool:
    """Whether the open lease file is that of the present ``build``."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(build / LEASE))
    except FileNotFoundError:
        return False


def remove_unless_read(build: Path) -> bool:
    """Remove ``build`` unless it has a lease; return whether it is gone.

    It is renamed first, so that it is no longer a build even if the removal is killed.
    """
    try:
        handle = open_lease(build)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        removed = rename_away(build)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    shutil.rmtree(removed, ignore_errors=True)
    return True


def remove(folder: Path) -> None:
    """Remove a folder without leases, in the same two steps."""
    shutil.rmtree(rename_away(folder), ignore_errors=True)


def rename_away(folder: Path) -> Path:
    """Give ``folder`` the name of a removal."""
    return folder.rename(folder.with_name(folder.name + REMOVING))


def finish_removals(parent: Path) -> None:
    """Delete the folders of killed removals in ``parent``."""
    for folder in parent.glob(f"*{REMOVING}"):
        shutil.rmtree(folder, ignore_errors=True)
