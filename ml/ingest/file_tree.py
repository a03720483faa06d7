"""Every file and folder below a folder, links followed, with the fault of those that cannot be read.

The raw folder comes in; entries in the order of their names go out. ``folders`` is next.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One file or folder of the tree.

    Parameters
    ----------
    inner : str
        Its path below the raw folder, with ``/`` between names.
    path : Path
    is_folder : bool
    fault : str, optional
        Why it cannot be read.
    linked : bool
        Whether it is a link, or lies below one.
    """

    inner: str
    path: Path
    is_folder: bool = False
    fault: str | None = None
    linked: bool = False

    @property
    def name(self) -> str:
        return self.inner.rpartition("/")[2]

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return self.inner.encode(errors="replace").decode() + "/" * self.is_folder


def list_folder(folder: Entry) -> list[Entry]:
    """The entries directly in ``folder``, by name; the folder with its fault if it cannot be listed."""
    try:
        with os.scandir(folder.path) as items:
            names = sorted(item.name for item in items)
    except OSError as error:
        return [Entry(folder.inner, folder.path, True, f"the folder cannot be listed: {error.strerror}")]
    above = f"{folder.inner}/" if folder.inner else ""
    return [entry_of(folder.path / name, above + name, folder.linked) for name in names]


def entry_of(path: Path, inner: str, linked: bool) -> Entry:
    """The entry of ``path``, its links followed."""
    linked = linked or path.is_symlink()
    is_folder = path.is_dir()
    return Entry(inner, path, is_folder, fault_of(path, inner, is_folder), linked)


def fault_of(path: Path, inner: str, is_folder: bool) -> str | None:
    """Why ``path`` cannot be read; None if it can."""
    if not inner.isprintable() and not is_utf8(inner):
        return "its name is no UTF-8 text: rename it"
    if not os.path.exists(path):
        return f"a broken link: {os.readlink(path)} is not there" if path.is_symlink() else "it is gone"
    if not is_folder and not path.is_file():
        return "it is neither a file nor a folder"
    return None if os.access(path, os.R_OK) else "no permission to read it"


def is_utf8(name: str) -> bool:
    """Whether ``name`` can be written in SQL."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def walk(folder: Entry, follow: bool = True, above: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """Everything below ``folder``; with ``follow`` also behind links, except in a circle."""
    above |= {os.path.realpath(folder.path)}
    for entry in list_folder(folder):
        if not entry.is_folder or entry.fault or (entry.linked and not follow):
            yield entry
        elif entry.linked and os.path.realpath(entry.path) in above:
            yield Entry(entry.inner, entry.path, True, "a link to a folder that it lies in", True)
        else:
            yield entry
            yield from walk(entry, follow, above)
