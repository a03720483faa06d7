"""Files written anew beside themselves and swapped, once for all the names that share one file.

Loads and builds share files that stay the same, by hard links. Such a file is written once, and each of its
names gets the new one; a run killed in between leaves some names with the old file, which the next run swaps.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ml.common.durable_files import link_or_copy, replacing

# The rows that one file lost, by its names.
Lost = dict[Path, int]


def rewrite_shared(files: Iterable[Path], rewrite: Callable[[Path, Path], int | None]) -> Lost:
    """Write some files anew; return the rows that went, of each name whose file was changed.

    Parameters
    ----------
    files : iterable of Path
    rewrite : callable
        Gets a file and the path of the new one; returns how many rows went or lost words, None where the
        file stays.
    """
    names: dict[tuple[int, int], list[Path]] = {}
    for file in files:
        state = file.stat()
        names.setdefault((state.st_dev, state.st_ino), []).append(file)
    lost: Lost = {}
    for first, *others in names.values():
        with replacing(first, is_locked=True) as fresh:
            count = rewrite(first, fresh)
            if count is None:
                link_or_copy(first, fresh)
        if count is None:
            continue
        lost[first] = count
        for other in others:
            with replacing(other, is_locked=True) as fresh:
                fresh.unlink(missing_ok=True)
                link_or_copy(first, fresh)
            lost[other] = count
    return lost


def keep_mode(old: Path, fresh: Path) -> None:
    """Give a new file the rights of the old one."""
    os.chmod(fresh, old.stat().st_mode & 0o777)


__all__ = ["Lost", "keep_mode", "rewrite_shared"]
