"""The baseline: the same four feature tables from the same raw rows, by hand-written SQL on bare DuckDB.

No dbt, no tests, no labels, no docs. ``bare_sql/facts.sql`` runs once, the other files once a slice of
customers, as many at a time as there are threads.

Example: python -m benchmarks.bare_duckdb --raw var/raw/current --out tables
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import duckdb

SQL = Path(__file__).parent / "bare_sql"
TABLES = (
    "feat_customer_engagement",
    "feat_customer_orders",
    "feat_customer_profile",
    "feat_customer_support",
)
THREADS, MEMORY, CUSTOMERS_PER_SLICE = 2, "4GB", 25_000


def make_tables(
    raw: Path,
    out: Path,
    *,
    threads: int = THREADS,
    memory: str = MEMORY,
    customers_per_slice: int = CUSTOMERS_PER_SLICE,
) -> None:
    """Write the four feature tables to ``out/<table>/*.parquet``.

    Parameters
    ----------
    raw : Path
        The accepted raw rows, as an ingest leaves them: ``<raw>/<table>/*.parquet``.
    out : Path
        Emptied first.
    threads, memory, customers_per_slice
        As the build has them.
    """
    shutil.rmtree(out, ignore_errors=True)
    for table in TABLES:
        (out / table).mkdir(parents=True)
    settings: dict[str, Any] = {
        "threads": threads,
        "memory_limit": memory,
        "temp_directory": str(out / "spill"),
    }
    with duckdb.connect(config=settings) as connection:
        for statement in sql("facts", raw=raw).split(";"):
            connection.execute(statement)
        places = slices(connection, customers_per_slice)
        with ThreadPoolExecutor(threads) as pool:
            jobs = [
                pool.submit(run, connection, sql(table, out=out, **place))
                for place in places
                for table in TABLES
            ]
        for job in jobs:
            job.result()
    shutil.rmtree(out / "spill", ignore_errors=True)


def sql(name: str, **values: object) -> str:
    """A hand-written file, with its places filled in."""
    text = (SQL / f"{name}.sql").read_text()
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", str(value))
    return text


def run(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """One statement, beside others."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def slices(connection: duckdb.DuckDBPyConnection, size: int) -> list[dict[str, int]]:
    """First and last customer of each slice."""
    ((last,),) = connection.execute("select coalesce(max(customer_number), 0) from customers").fetchall()
    return [
        {"slice": first // size, "first": first, "last": first + size - 1}
        for first in range(1, last + 1, size)
    ]


@click.command()
@click.option("--raw", required=True, type=click.Path(path_type=Path), help="Accepted raw rows of an ingest.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the tables go.")
@click.option("--threads", default=THREADS, show_default=True)
@click.option("--memory", default=MEMORY, show_default=True)
@click.option("--customers-per-slice", default=CUSTOMERS_PER_SLICE, show_default=True)
def main(raw: Path, out: Path, threads: int, memory: str, customers_per_slice: int) -> None:
    """Make the four feature tables by hand-written SQL on bare DuckDB."""
    make_tables(raw, out, threads=threads, memory=memory, customers_per_slice=customers_per_slice)


if __name__ == "__main__":
    main()
