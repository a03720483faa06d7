"""The content of ``build.json``, the manifest of a build."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ml.common.instants import format_instant
from ml.common.sql import file_list
from ml.config.problem import LabelTerms
from ml.home.layout import Home
from ml.ingest.rows_without_updated_at import undated_customers
from ml.ingest.table_clocks import describe_clocks


@dataclass(frozen=True)
class Clocks:
    """The clocks over all customers, and the numbers of customers and labelled cut-offs."""

    first_known_at: datetime | None
    data_clock: datetime | None
    orders_delivered_until: datetime | None
    cutoffs: int
    customers: int


CLOCKS = """
select
    first_known_at,
    data_clock,
    orders_delivered_until,
    (select count(*) from int_cutoffs where is_labelled),
    (select count(*) from int_customers)
from int_data_clock
"""


def read_clocks(home: Home) -> Clocks:
    """The clocks of dbt's last run in this home."""
    with duckdb.connect(str(home.dbt / "warehouse.duckdb"), read_only=True) as connection:
        return Clocks(*connection.execute(CLOCKS).fetchall()[0])


def describe(
    home: Home, load: Path, folder: Path, terms: LabelTerms, seconds: dict[str, float]
) -> dict[str, Any]:
    """The manifest of a finished build."""
    clocks = read_clocks(home)
    with duckdb.connect() as connection:
        data_clock = text_of(clocks.data_clock)
        clocks_of_tables = describe_clocks(load, data_clock, connection, terms.churn["label_delay_days"])
    tables = sorted((folder / "features").iterdir())
    tables += sorted((folder / "labels").iterdir())
    results = json.loads((folder / "run_results.json").read_text())["results"]
    return {
        "build_id": folder.name,
        "load_id": load.name,
        "first_known_at": text_of(clocks.first_known_at),
        "data_clock": data_clock,
        "orders_delivered_until": text_of(clocks.orders_delivered_until),
        **clocks_of_tables,
        "problem": terms.churn,
        "label_terms": terms.others,
        "customers": undated_customers(load, clocks.data_clock),
        "rows": {"int_customers": clocks.customers, "int_cutoffs": clocks.cutoffs}
        | {table.name: count(table) for table in tables},
        "tests": {"passed": sum(result["status"] == "pass" for result in results)},
        "seconds_of": {step: round(elapsed, 1) for step, elapsed in seconds.items()},
    }


def text_of(instant: datetime | None) -> str | None:
    return format_instant(instant) if instant else None


def count(table: Path) -> int:
    """The number of rows of a table, from the footers of its files."""
    files = file_list(sorted(table.glob("*.parquet")))
    query = f"select sum(num_rows)::bigint from parquet_file_metadata({files})"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()[0][0]
