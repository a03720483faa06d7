"""Write a folder of SQL files, one for each raw table that the exports seem to hold."""

import os
from pathlib import Path
from typing import Any

import duckdb

from ml.common.errors import SourceError, UsageError
from ml.common.progress import SILENT, Progress
from ml.common.sql import literal
from ml.ingest.batch import source_errors
from ml.ingest.declaration import tables_of_customers
from ml.mapping.agreement import agree_on_customers
from ml.mapping.exports import find_exports
from ml.mapping.matching import Mapped, map_tables
from ml.mapping.sql_text import sql_of


def map_exports(
    path: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] = "mapping",
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Guess how exports become raw tables, and write the guess as SQL files for ``ingest``.

    Parameters
    ----------
    path : path
        A folder of exports (CSV, TSV, JSON, Parquet), or one of them.
    out : path
        The folder of SQL files; paths in them are relative to the folder above it.

    Returns
    -------
    dict
        folder; tables (by name: file, export, matched columns, guesses to check, missing required columns);
        not_mapped (raw tables that no export seems to hold); not_used (exports).

    Raises
    ------
    UsageError
        There is no such path, or a SQL file of a raw table is there already; nothing is written.
    SourceError
        An export cannot be read, or none seems to hold a raw table.
    """
    source, folder = Path(path).expanduser().resolve(), Path(out).expanduser().resolve()
    tables = tables_of_customers()
    names = {file.name.lower() for file in folder.iterdir()} if folder.is_dir() else set()
    if there := [table.name for table in tables if f"{table.name}.sql" in names]:
        raise UsageError(
            f"{folder} has {', '.join(f'{name}.sql' for name in there)} already: give another --out, nothing "
            "was written"
        )
    with (
        source_errors(str(source)),
        duckdb.connect() as connection,
        progress.bar("reading exports", 2) as bar,
    ):
        connection.execute(f"set file_search_path = {literal(folder.parent)}")
        exports = find_exports(connection, source, folder.parent)
        bar.step("matching columns")
        mapped = agree_on_customers(connection, map_tables(connection, tables, exports))
        if not mapped:
            labels = ", ".join(export.label for export in exports)
            raise SourceError(
                f"none of {labels} seems to hold a raw table: write the SQL files by hand (docs/mapping.md)"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for one in mapped:
            (folder / f"{one.table.name}.sql").write_text(sql_of(connection, one), encoding="utf-8")
    used = {one.export.label for one in mapped}
    return {
        "folder": str(folder),
        "tables": {one.table.name: described(one) for one in mapped},
        "not_mapped": [
            table.name for table in tables if table.name not in {one.table.name for one in mapped}
        ],
        "not_used": [export.label for export in exports if export.label not in used],
    }


def described(mapped: Mapped) -> dict[str, Any]:
    return {
        "file": f"{mapped.table.name}.sql",
        "export": mapped.export.label,
        "matched": [match.column.name for match in mapped.matches if match.sql],
        "check": [match.column.name for match in mapped.matches if match.is_guess],
        "missing": mapped.missing,
    }
