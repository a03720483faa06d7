"""A folder of raw tables: which files hold which table.

``<table>.parquet``, ``<table>.csv``, ``<table>.csv.gz``, or a sub-folder ``<table>/`` of such files.
"""

from pathlib import Path

from ml.common.errors import SourceError, UsageError
from ml.ingest.contract import TABLES

ENDINGS = (".parquet", ".csv", ".csv.gz")


def find_tables(root: Path) -> dict[str, list[Path]]:
    """The files of every raw table in ``root``, in reading order.

    Raises
    ------
    UsageError
        ``root`` is no folder.
    SourceError
        There is no raw table in it, or one table comes in two forms.
    """
    check_folder(root)
    found = {table.name: files_of(root, table.name) for table in TABLES}
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise SourceError(
            f"{root} holds no raw table: expected customers and orders as .parquet, .csv or .csv.gz files"
        )
    return found


def check_folder(root: Path) -> None:
    """UsageError unless ``root`` is a folder that can be listed."""
    if not root.exists():
        raise UsageError(f"{root} does not exist: give a folder of raw tables, or a database URL")
    if not root.is_dir():
        raise UsageError(f"{root} is a file: give the folder it lies in, or a database URL")


def files_of(root: Path, name: str) -> list[Path]:
    """The files of table ``name``, from the one form it comes in."""
    forms = [
        path for path in (root / name, *(root / f"{name}{ending}" for ending in ENDINGS)) if path.exists()
    ]
    if len(forms) > 1:
        shown = " and ".join(form.name + "/" * form.is_dir() for form in forms)
        raise SourceError(f"{root} holds the table {name} more than once, as {shown}: keep one")
    if not forms or not forms[0].is_dir():
        return forms
    inside = sorted(path for path in forms[0].rglob("*") if is_data_file(path.relative_to(root), path))
    if not inside:
        raise SourceError(f"{forms[0]} holds no .parquet, .csv or .csv.gz file")
    return inside


def is_data_file(inner: Path, path: Path) -> bool:
    """Whether ``path`` is data, not what a writer left beside it (``_SUCCESS``, ``.part.crc``)."""
    return (
        path.name.endswith(ENDINGS)
        and path.is_file()
        and not any(p.startswith((".", "_")) for p in inner.parts)
    )


def left_alone(root: Path) -> list[str]:
    """Names of data files in ``root`` that are no raw table: perhaps a misspelled one."""
    known = {f"{table.name}{ending}" for table in TABLES for ending in ENDINGS}
    return sorted(
        path.name for path in root.iterdir() if path.name.endswith(ENDINGS) and path.name not in known
    )
