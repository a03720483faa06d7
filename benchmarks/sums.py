"""Row counts and checksums: do two makers of the feature tables agree, row for row and column for column?"""

from pathlib import Path
from typing import Any

import duckdb

from benchmarks.bare_duckdb import MEMORY, TABLES, THREADS


def table_sums(folder: Path) -> dict[str, dict[str, Any]]:
    """Rows and checksum of each feature table in ``folder``; the checksum covers every value of every column.

    It is the sum of one hash a row, so the order of rows and columns plays no part, and types do not hide.
    """
    with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY}) as connection:
        return {table: one_table(connection, f"{folder}/{table}/*.parquet") for table in TABLES}


def one_table(connection: duckdb.DuckDBPyConnection, files: str) -> dict[str, Any]:
    """Rows and checksum of one table."""
    columns = connection.execute(f"describe select * from read_parquet('{files}')").fetchall()
    described = sorted((name, kind) for name, kind, *_ in columns)
    names = ", ".join(f'"{name}"' for name, _ in described)
    rows, checksum = connection.execute(
        f"select count(*), sum(hash({names})::hugeint) from read_parquet('{files}')"
    ).fetchall()[0]
    return {"rows": rows, "checksum": f"{(checksum or 0) % 2**64:016x}", "columns": described}


def differences(left: dict[str, dict[str, Any]], right: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each table and thing in which the two differ."""
    return [
        f"{table}: {part} {left[table][part]} against {right[table][part]}"
        for table in TABLES
        for part in ("columns", "rows", "checksum")
        if left[table][part] != right[table][part]
    ]
