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
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` when the block ends well, and leaves no trace else."""
    made = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with made.open("wb") as file:
            yield file
        sync(made)
        made.rename(path)
        sync_folder(path.parent)
    finally:
        made.unlink(missing_ok=True)
