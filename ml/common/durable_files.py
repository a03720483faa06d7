"""Durable files and folders: they are synced to disk before they are renamed into place."""

import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# Constants of Linux's renameat2: paths relative to the working folder; exchange of names.
AT_CWD, EXCHANGE = -100, 2


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Link a file that nobody changes, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def sync_folder(folder: Path) -> None:
    """Make new, renamed and removed names in ``folder`` durable."""
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
    """Wait until ``path`` is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path, *, is_locked: bool = False) -> Iterator[Path]:
    """A path beside ``path`` to write a file to, which replaces ``path`` unless the block fails.

    Readers see the whole new file or the old one, power cuts included. Every file that is replaced as a whole
    is written this way.

    Parameters
    ----------
    path : Path
    is_locked : bool
        Whether the caller holds a lock against other writers. Then the temporary file always has the same
        name, and overwrites that of a killed process.
    """
    fresh = path.with_name(f".{path.name}.new" if is_locked else f".{path.name}.{os.getpid()}.new")
    try:
        yield fresh
        sync(fresh)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def whole_file(path: Path, *, is_locked: bool = False) -> Iterator[BinaryIO]:
    """An open file that replaces ``path``, as ``replacing`` does; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, is_locked=is_locked) as fresh, fresh.open("wb") as file:
        yield file
        file.flush()


def replace_file(path: Path, content: bytes, *, is_locked: bool = False) -> None:
    """Put ``content`` in ``path``, as ``whole_file`` does."""
    with whole_file(path, is_locked=is_locked) as file:
        file.write(content)


def replace_folder(fresh: Path, path: Path) -> None:
    """Replace the folder ``path``, if there is one, by the folder ``fresh``; both are in one folder.

    If the system can exchange two names, readers see one or the other folder, and a power cut loses neither.
    Otherwise there is none for an instant, and a process killed then leaves both beside it. The files of the
    old folder disappear for its readers.
    """
    sync_tree(fresh)
    if not path.exists():
        fresh.rename(path)
    elif exchange_names(fresh, path):
        shutil.rmtree(fresh, ignore_errors=True)
    else:
        before = path.rename(fresh.with_name(f"{fresh.name}.before"))
        fresh.rename(path)
        shutil.rmtree(before, ignore_errors=True)
    sync_folder(path.parent)


def exchange_names(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders in one step; False if the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(AT_CWD, os.fsencode(one), AT_CWD, os.fsencode(other), EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))
