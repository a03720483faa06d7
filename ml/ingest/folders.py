"""A folder of raw tables: the whole tree is listed, and every file in it is of one of three kinds.

It belongs to a table (``<table>.csv``, ``.parquet`` and so on, or anything in a folder ``<table>/``), or to a
writer (``_SUCCESS``, checksums), or is reported as not read. A table's file that cannot be read is an error.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ml.common.errors import SourceError, UsageError
from ml.ingest.declaration import raw_tables
from ml.ingest.file_names import READABLE, format_of, is_own, looks_like, remedy_of, table_of
from ml.ingest.file_tree import Entry, list_folder, walk
from ml.ingest.table_formats import refuse_logs

# The number of names in a message; the result has them all.
NAMES_SHOWN = 20


@dataclass(frozen=True)
class Listing:
    """The files of a raw folder.

    Parameters
    ----------
    tables : dict of str to list of Path
        The files of every raw table, in reading order.
    not_read : list of str
        Every file that belongs to no table and no writer, with a hint.
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
    # Iceberg has its log in a folder of this name.
    metadata = [
        entry for top in tops if top.is_folder and top.name == "metadata" for entry in list_folder(top)
    ]
    refuse_logs(root, [*tops, *metadata])
    for entry in tops:
        name = None if is_own(entry.inner) else table_of(entry.name, entry.is_folder)
        if name:
            forms.setdefault(name, []).append(entry)
        else:
            others += notes_on_unread(entry)
    if not forms:
        raise SourceError(nothing_found(root, others))
    # Referenced tables come first.
    files = {table.name: with_contents(forms[table.name]) for table in raw_tables() if table.name in forms}
    entries = [entry for table_entries in files.values() for entry in table_entries]
    refuse_logs(root, entries)
    refuse_unreadable(root, entries)
    refuse_two_forms(root, forms)
    data = {name: data_files(root, forms[name][0], entries) for name, entries in files.items()}
    notes = [note for _, notes in data.values() for note in notes]
    return Listing({name: paths for name, (paths, _) in data.items()}, others + notes)


def check_folder(root: Path) -> None:
    """Raise a UsageError unless ``root`` is a folder that can be listed."""
    if not root.exists():
        raise UsageError(f"{root} does not exist: give a folder of raw tables, or a database URL")
    if not root.is_dir():
        raise UsageError(f"{root} is a file: give the folder it lies in, an .xlsx workbook or a database URL")
    if not os.access(root, os.R_OK | os.X_OK):
        raise UsageError(f"{root} cannot be listed: no permission to read it")


def with_contents(forms: list[Entry]) -> list[Entry]:
    """Every entry with a table's name, and the contents of its folders."""
    return [
        entry
        for form in forms
        for entry in ([form, *walk(form)] if form.is_folder and not form.fault else [form])
    ]


def refuse_unreadable(root: Path, entries: list[Entry]) -> None:
    """Raise a SourceError with every file of a table that cannot be read, and its remedy."""
    faults = [f"{entry.shown} ({fault})" for entry in entries if (fault := fault_in_table(entry))]
    if faults:
        raise SourceError(
            f"{root} holds files of raw tables that cannot be read, so nothing was loaded: "
            f"{shortened(faults)} (what is read: {READABLE})"
        )


def fault_in_table(entry: Entry) -> str | None:
    """Why ``entry`` of a table cannot be read; None if it can, or belongs to a writer."""
    if is_own(entry.inner):
        return None
    if entry.fault:
        return entry.fault
    return remedy_of(entry.name) if not entry.is_folder and not format_of(entry.name) else None


def refuse_two_forms(root: Path, forms: dict[str, list[Entry]]) -> None:
    """Raise a SourceError if a table is more than one file or folder."""
    for name, entries in forms.items():
        if len(entries) > 1:
            shown = " and ".join(entry.shown for entry in entries)
            raise SourceError(f"{root} holds the table {name} more than once, as {shown}: keep one")


def data_files(root: Path, form: Entry, entries: list[Entry]) -> tuple[list[Path], list[str]]:
    """The distinct files to read of one table, and a note for each that is left out."""
    data = [entry for entry in entries if not entry.is_folder and format_of(entry.name)]
    files = [entry for entry in data if not is_own(entry.inner)]
    if not files:
        raise SourceError(f"{form.path} holds no {READABLE} file")
    notes = [f"{entry.shown} (hidden by its name)" for entry in data if is_hidden_data(entry)]
    if not any(entry.linked for entry in files):
        return [entry.path for entry in files], notes
    return without_repeats(files, notes)


def is_hidden_data(entry: Entry) -> bool:
    """Whether ``entry`` is data that readers ignore (``_temporary/``); macOS's ``._x`` is not."""
    return is_own(entry.inner) and not entry.name.startswith("._")


def without_repeats(files: list[Entry], notes: list[str]) -> tuple[list[Path], list[str]]:
    """``files`` without the links to others of them."""
    first: dict[tuple[str, ...], Entry] = {}
    for entry in sorted(files, key=lambda entry: entry.linked):
        # In another folder day=... the same file gives other rows.
        real = (os.path.realpath(entry.path), *(part for part in entry.inner.split("/") if "=" in part))
        if first.setdefault(real, entry) is not entry:
            notes.append(f"{entry.shown} (the same file as {first[real].shown})")
    inner_paths = {entry.inner for entry in first.values()}
    return [entry.path for entry in files if entry.inner in inner_paths], notes


def notes_on_unread(entry: Entry) -> list[str]:
    """The note for a file or folder of no table; none for a writer's own."""
    if is_own(entry.inner):
        hidden = not entry.is_folder and format_of(entry.name) and is_hidden_data(entry)
        return [f"{entry.shown} (hidden by its name)"] if hidden else []
    if entry.fault:
        return [f"{entry.shown} ({entry.fault})"]
    return [f"{entry.shown} ({reason})" if (reason := hint(entry)) else entry.shown]


def hint(entry: Entry) -> str:
    """A hint for an entry that is not read: a table under another name, or a folder of tables."""
    if table := looks_like(entry.name):
        return f"perhaps the table {table}: name it so, or put its files in a folder {table}/"
    if not entry.is_folder:
        return ""
    below = [file for file in walk(entry, follow=False) if not file.is_folder]
    tables = [file.shown for file in below if table_of(file.name, False)]
    files = f"{len(below):,} {'file' if len(below) == 1 else 'files'}"
    return f"{files}, among them {shortened(tables[:3])}: give that folder" if tables else files


def nothing_found(root: Path, others: list[str]) -> str:
    """The message for a folder without any raw table."""
    contents = f"; it holds {shortened(others)}" if others else ""
    return f"{root} holds no raw table: expected customers and orders as {READABLE} files{contents}"


def shortened(names: Iterable[str]) -> str:
    """``names`` in one line, only the first of very many."""
    names = list(names)
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
