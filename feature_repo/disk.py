"""What has been renamed into place must be on disk before: files and folders are synced first."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


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
