"""Table formats whose log says which files and rows are valid; as plain files they include deleted rows."""

import re
from collections.abc import Iterable
from pathlib import Path

from ml.common.errors import SourceError
from ml.ingest.file_tree import Entry

LOG_FOLDERS = {
    "_delta_log": "a Delta table",
    ".hoodie": "a Hudi table",
    "_spark_metadata": "the output of a Spark stream",
}
ICEBERG_FILE = re.compile(r"(^|/)metadata/([^/]*\.metadata\.json|version-hint\.text|snap-[^/]*\.avro)$")
# Hive's transactions: delta_0000001_0000001_0000, delete_delta_..., base_0000002.
HIVE_FOLDER = re.compile(r"^((delete_)?delta_\d+_\d+(_\d+)?|base_\d+(_v\d+)?)$")


def refuse_logs(root: Path, entries: Iterable[Entry]) -> None:
    """Raise a SourceError if ``entries`` have the log of a table format, which ingest does not follow.

    Raises
    ------
    SourceError
        It names the log and what to do.
    """
    for entry in entries:
        if kind := log_kind(entry):
            raise SourceError(
                f"{root / entry.inner} makes this {kind}: its log says which files and rows hold, and "
                "ingest does not follow it; nothing was loaded (read the table with its own engine, write "
                "the rows as plain Parquet into a new folder, and give that)"
            )


def log_kind(entry: Entry) -> str | None:
    """What kind of table ``entry`` is the log of; None when it is no log."""
    if entry.is_folder:
        hive = "a Hive table with transactions" if HIVE_FOLDER.match(entry.name) else None
        return LOG_FOLDERS.get(entry.name, hive)
    return "an Iceberg table" if ICEBERG_FILE.search(entry.inner) else None
