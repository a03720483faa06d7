"""What a finished build says of itself in ``build.json``."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ml.common.instants import format_instant
from ml.common.sql import file_list
from ml.config.problem import Problem
from ml.home.layout import Home
from ml.ingest.clocks import arrival_of_orders, notes_on_clocks, table_clocks
from ml.ingest.undated import undated_customers


@dataclass(frozen=True)
class Clocks:
    """What all customers together decide, and how many customers and labelled cut-offs dbt made."""

    first_known_at: datetime | None
    data_clock: datetime | None
    orders_delivered_until: datetime | None
    last_cutoff: datetime | None
    cutoffs: int
    customers: int


CLOCKS = """
select
    first_known_at,
    data_clock,
    orders_delivered_until,
    (select max(cutoff_at) from int_cutoffs where is_labelled),
    (select count(*) from int_cutoffs where is_labelled),
    (select count(*) from int_customers)
from int_data_clock
"""


def read_clocks(home: Home) -> Clocks:
    """The clocks of dbt's last run in this home."""
    with duckdb.connect(str(home.dbt / "warehouse.duckdb"), read_only=True) as connection:
        return Clocks(*connection.execute(CLOCKS).fetchall()[0])


def describe(
    home: Home, load: Path, folder: Path, problem: Problem, seconds: dict[str, float]
) -> dict[str, Any]:
    """What there is to say about a finished build."""
    clocks = read_clocks(home)
    tables = sorted((folder / "features").iterdir())
    tables += sorted((folder / "labels").iterdir())
    results = json.loads((folder / "run_results.json").read_text())["results"]
    return {
        "build_id": folder.name,
        "load_id": load.name,
        "first_known_at": text_of(clocks.first_known_at),
        "data_clock": text_of(clocks.data_clock),
        "orders_delivered_until": text_of(clocks.orders_delivered_until),
        **clocks_of_tables(load, text_of(clocks.data_clock), problem),
        "problem": problem.label_terms(),
        "customers": undated_customers(load, clocks.data_clock),
        "rows": {"int_customers": clocks.customers, "int_cutoffs": clocks.cutoffs}
        | {table.name: count(table) for table in tables},
        "tests": {"passed": sum(result["status"] == "pass" for result in results)},
        "seconds_of": {step: round(taken, 1) for step, taken in seconds.items()},
    }


def text_of(instant: datetime | None) -> str | None:
    """An instant as JSON has it."""
    return format_instant(instant) if instant else None


def clocks_of_tables(load: Path, data_clock: str | None, problem: Problem) -> dict[str, Any]:
    """The clock of each table of the load, and what is worth a warning."""
    with duckdb.connect() as connection:
        clocks = table_clocks(load, connection)
        arrival = arrival_of_orders(load, clocks["orders"], connection)
    notes = notes_on_clocks(clocks, data_clock, arrival, problem.label_delay_days)
    return {"clocks": clocks, "orders_arrive": arrival, "notes": notes}


def count(table: Path) -> int:
    """Rows of a table, as its files say."""
    files = file_list(sorted(table.glob("*.parquet")))
    query = f"select sum(num_rows)::bigint from parquet_file_metadata({files})"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()[0][0]
