"""What has been renamed into place must be on disk before: files and folders are synced first."""

import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# Of Linux: relative paths are taken from the working folder; the names are exchanged.
AT_CWD, EXCHANGE = -100, 2


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make what was named, renamed or removed in ``folder`` durable."""
    sync(folder)


def sync_tree(folder: Path) -> None:
    """Make ``folder`` durable with every file and folder in it, so that a power cut cannot empty one."""
    for inside, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(inside, name)
            if not path.is_symlink():
                sync(path)
        sync(Path(inside))


def sync(path: Path) -> None:
    """Wait until the disk has ``path``."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_file(path: Path, *, is_locked: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``path`` when the block ends well, and leaves no trace else.

    Readers see all of it or what was there before, power cuts included.

    Parameters
    ----------
    path : Path
    is_locked : bool
        Whether the caller holds a lock against other writers. Then what a killed one left has the same name,
        and is written over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new" if is_locked else f".{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def replace_file(path: Path, content: bytes, *, is_locked: bool = False) -> None:
    """Put ``content`` in ``path``, as ``whole_file`` does."""
    with whole_file(path, is_locked=is_locked) as file:
        file.write(content)


def replace_folder(fresh: Path, path: Path) -> None:
    """Put the folder ``fresh`` in the place of the folder ``path``, if there is one; both in one folder.

    Where the system lets two names trade places, whoever looks finds the one or the other, and a power cut
    loses neither. Elsewhere there is none for an instant; a process killed then leaves both beside it. Who
    reads files of the folder before, one after the other, finds them gone.
    """
    sync_tree(fresh)
    if not path.exists():
        fresh.rename(path)
    elif trade_places(fresh, path):
        shutil.rmtree(fresh, ignore_errors=True)
    else:
        before = path.rename(fresh.with_name(f"{fresh.name}.before"))
        fresh.rename(path)
        shutil.rmtree(before, ignore_errors=True)
    sync_folder(path.parent)


def trade_places(one: Path, other: Path) -> bool:
    """Give each of two files or folders the other's name in one step; False where the system has none."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(AT_CWD, os.fsencode(one), AT_CWD, os.fsencode(other), EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))
