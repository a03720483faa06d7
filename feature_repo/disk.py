"""What has been renamed into place must be on disk before: files and folders are synced first."""

import os
from pathlib import Path


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
