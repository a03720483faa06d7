"""A small shop as CSV text, and ways to write and read it."""

from pathlib import Path
from typing import Any

import duckdb

from ml.home.layout import Home

CLEAN = {
    "customers": "customer_id,registered_at\nanna,2024-01-01\nben,2024-01-02\n",
    "orders": (
        "order_id,customer_id,ordered_at,total_amount,loaded_at\n"
        "o1,anna,2024-02-01 10:00:00,10.50,\n"
        "o2,ben,2024-02-02 10:00:00,20,2024-02-03\n"
    ),
}

Rows = list[tuple[Any, ...]]


def write_folder(folder: Path, tables: dict[str, str]) -> Path:
    """Each of ``tables`` as a CSV file in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def read_table(home: Home, table: str, columns: str = "*") -> Rows:
    """Rows of one table of the published load, in order."""
    query = f"select {columns} from read_parquet('{home.current_load()}/{table}/*.parquet') order by all"
    return duckdb.connect().execute(query).fetchall()


def read_rejected(home: Home) -> set[tuple[str, int, str]]:
    """Table, row and reason of every rejected row of the published load."""
    return set(read_table(home, "rejected_rows", '"table", row, reason'))
