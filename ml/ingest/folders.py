"""A folder of raw tables: the whole tree is listed, and every file in it is one of three things.

A table's (``<table>.csv``, ``.parquet`` and so on, or anything in a folder ``<table>/``), a writer's own
(``_SUCCESS``, checksums), or named as not read. What bears a table's name and cannot be read is an error.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ml.common.errors import SourceError, UsageError
from ml.ingest.declaration import raw_tables
from ml.ingest.file_names import READABLE, format_of, is_own, looks_like, remedy_of, table_of
from ml.ingest.table_formats import refuse_logs
from ml.ingest.tree import Entry, list_folder, walk

# Names a message shows before it only counts the others; the result has them all.
NAMES_SHOWN = 20


@dataclass(frozen=True)
class Listing:
    """The files of a raw folder.

    Parameters
    ----------
    tables : dict of str to list of Path
        The files of every raw table, in reading order.
    not_read : list of str
        Every file that is no table's and no writer's own, with what it looks like.
    """

    tables: dict[str, list[Path]]
    not_read: list[str]


def list_tables(root: Path) -> Listing:
    """Which files of ``root`` hold which raw table.

    Raises
    ------
    UsageError
        ``root`` is no folder.
    SourceError
        There is no raw table in it, one comes in two forms, or a file of one cannot be read.
    """
    check_folder(root)
    forms: dict[str, list[Entry]] = {}
    others: list[str] = []
    tops = list_folder(Entry("", root, True))
    refuse_logs(root, [*tops, *metadata_of(tops)])
    for entry in tops:
        name = None if is_own(entry.inner) else table_of(entry.name, entry.is_folder)
        if name:
            forms.setdefault(name, []).append(entry)
        else:
            others += not_read(entry)
    if not forms:
        raise SourceError(nothing_found(root, others))
    files = {name: expanded(forms[name]) for name in table_names() if name in forms}
    entries = [entry for inside in files.values() for entry in inside]
    refuse_logs(root, entries)
    refuse_unreadable(root, entries)
    refuse_two_forms(root, forms)
    found = {name: data_files(root, forms[name][0], entries) for name, entries in files.items()}
    repeated = [note for _, notes in found.values() for note in notes]
    return Listing({name: paths for name, (paths, _) in found.items()}, others + repeated)


def metadata_of(tops: list[Entry]) -> list[Entry]:
    """What lies in a folder ``metadata/``, as Iceberg's log does."""
    return [entry for top in tops if top.is_folder and top.name == "metadata" for entry in list_folder(top)]


def table_names() -> list[str]:
    """The raw tables, those first that others refer to."""
    return [table.name for table in raw_tables()]


def check_folder(root: Path) -> None:
    """UsageError unless ``root`` is a folder that can be listed."""
    if not root.exists():
        raise UsageError(f"{root} does not exist: give a folder of raw tables, or a database URL")
    if not root.is_dir():
        raise UsageError(f"{root} is a file: give the folder it lies in, or a database URL")
    if not os.access(root, os.R_OK | os.X_OK):
        raise UsageError(f"{root} cannot be listed: no permission to read it")


def expanded(forms: list[Entry]) -> list[Entry]:
    """Every entry that bears a table's name, with all that lies in its folders."""
    return [
        entry
        for form in forms
        for entry in ([form, *walk(form)] if form.is_folder and not form.fault else [form])
    ]


def refuse_unreadable(root: Path, entries: list[Entry]) -> None:
    """SourceError that names every file of a table that cannot be read, with its remedy."""
    faults = [f"{entry.shown} ({fault})" for entry in entries if (fault := fault_in_table(entry))]
    if faults:
        raise SourceError(
            f"{root} holds files of raw tables that cannot be read, so nothing was loaded: "
            f"{shortened(faults)} (what is read: {READABLE})"
        )


def fault_in_table(entry: Entry) -> str | None:
    """Why ``entry``, which belongs to a table, cannot be read; None for what is read or a writer's own."""
    if is_own(entry.inner):
        return None
    if entry.fault:
        return entry.fault
    return remedy_of(entry.name) if not entry.is_folder and not format_of(entry.name) else None


def refuse_two_forms(root: Path, forms: dict[str, list[Entry]]) -> None:
    """SourceError when a table comes as more than one file or folder."""
    for name, entries in forms.items():
        if len(entries) > 1:
            shown = " and ".join(entry.shown for entry in entries)
            raise SourceError(f"{root} holds the table {name} more than once, as {shown}: keep one")


def data_files(root: Path, form: Entry, entries: list[Entry]) -> tuple[list[Path], list[str]]:
    """The files to read of one table, each once, and a note for each that is left out."""
    data = [entry for entry in entries if not entry.is_folder and format_of(entry.name)]
    read = [entry for entry in data if not is_own(entry.inner)]
    if not read:
        raise SourceError(f"{form.path} holds no {READABLE} file")
    notes = [f"{entry.shown} (hidden by its name)" for entry in data if is_hidden_data(entry)]
    if not any(entry.linked for entry in read):
        return [entry.path for entry in read], notes
    return without_repeats(read, notes)


def is_hidden_data(entry: Entry) -> bool:
    """Whether ``entry`` is data where readers pass it over (``_temporary/``); macOS's ``._x`` is not."""
    return is_own(entry.inner) and not entry.name.startswith("._")


def without_repeats(read: list[Entry], notes: list[str]) -> tuple[list[Path], list[str]]:
    """``read`` without the links to files that are read anyway."""
    first: dict[tuple[str, ...], Entry] = {}
    for entry in sorted(read, key=lambda entry: entry.linked):
        # In another folder day=... the same file gives other rows.
        real = (os.path.realpath(entry.path), *(part for part in entry.inner.split("/") if "=" in part))
        if first.setdefault(real, entry) is not entry:
            notes.append(f"{entry.shown} (the same file as {first[real].shown})")
    kept = {entry.inner for entry in first.values()}
    return [entry.path for entry in read if entry.inner in kept], notes


def not_read(entry: Entry) -> list[str]:
    """The note for a file or folder of the raw folder that bears no table's name; none for a writer's own."""
    if is_own(entry.inner):
        hidden = not entry.is_folder and format_of(entry.name) and is_hidden_data(entry)
        return [f"{entry.shown} (hidden by its name)"] if hidden else []
    if entry.fault:
        return [f"{entry.shown} ({entry.fault})"]
    return [f"{entry.shown} ({reason})" if (reason := hint(entry)) else entry.shown]


def hint(entry: Entry) -> str:
    """What a file or folder that is not read may be: a table under another name, or a folder of tables."""
    if table := looks_like(entry.name):
        return f"perhaps the table {table}: name it so, or put its files in a folder {table}/"
    if not entry.is_folder:
        return ""
    below = [file for file in walk(entry, follow=False) if not file.is_folder]
    tables = [file.shown for file in below if table_of(file.name, False)]
    files = f"{len(below):,} {'file' if len(below) == 1 else 'files'}"
    return f"{files}, among them {shortened(tables[:3])}: give that folder" if tables else files


def nothing_found(root: Path, others: list[str]) -> str:
    """What to say of a folder without any raw table."""
    found = f"; it holds {shortened(others)}" if others else ""
    return f"{root} holds no raw table: expected customers and orders as {READABLE} files{found}"


def shortened(names: Iterable[str]) -> str:
    """``names`` in one line, of very many only the first."""
    names = list(names)
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
