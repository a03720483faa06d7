"""Literals, names and files in DuckDB's SQL; literals and names in SQLite's too."""

import glob
from collections.abc import Iterable
from os import PathLike, fspath

REMOTE = "://"


def literal(text: object) -> str:
    """A literal of text."""
    return "'" + str(text).replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A quoted name."""
    return '"' + name.replace('"', '""') + '"'


def file_list(files: Iterable[str | PathLike[str]]) -> str:
    """A list of files; ``*``, ``?`` and ``[`` in local names are no patterns."""
    return f"[{', '.join(literal(exact(file)) for file in files)}]"


def exact(file: str | PathLike[str]) -> str:
    """The pattern that matches one file alone; remote names are unchanged."""
    name = fspath(file)
    return name if REMOTE in name else glob.escape(name)


def parquet(files: Iterable[str | PathLike[str]], *options: str) -> str:
    """The rows of Parquet files, for a ``from`` clause.

    Parameters
    ----------
    files : iterable of path
        Not patterns, unless they are remote.
    options : str
        More of ``read_parquet``'s, such as ``union_by_name = true``. A folder called ``name=value`` is a
        folder, and no column of the rows.
    """
    return f"read_parquet({', '.join([file_list(files), 'hive_partitioning = false', *options])})"
