"""Every table of a build on DuckDB and on Spark, cell by cell; a difference is cut down to a few raw rows."""

import time
from pathlib import Path
from typing import Any

import duckdb

from ml.audit.all_checks import scratch_folder
from ml.audit.cut_down import Probe, customers_of, cut_down
from ml.audit.engine_builds import EngineBuild, build_on, check_spark, in_order_of_dependence
from ml.audit.engine_differences import TableComparison, compare_table, differing_customers, types_of
from ml.audit.sampled_customers import draw_customers
from ml.audit.scratch_builds import copy_raw
from ml.audit.spark_session import SparkSql
from ml.common.errors import UsageError
from ml.common.memory import memory_limit
from ml.common.progress import SILENT, Progress
from ml.common.sql import literal
from ml.config.problem import Problem
from ml.home.layout import Home
from ml.home.problem_file import label_terms, problem_for
from ml.ingest.batch import relation_of
from ml.ingest.declaration import customers_table
from ml.ingest.merges import add_joined
from ml.warehouse.dbt import PROJECT

SEED = "compare-engines"
MEMORY_LIMIT = "2GB"


def compare_engines(
    *,
    home: Home | str | None = None,
    customers: int | None = None,
    problem: Problem | str | Path | None = None,
    project: Path = PROJECT,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Build the raw data of a home on DuckDB and on Spark in scratch folders, and compare every table.

    Parameters
    ----------
    home : Home or path, optional
    customers : int, optional
        Only so many of them, the same in each run; everyone by default.
    problem : Problem or path, optional
        The problem of the labels.
    project : Path
        The dbt project.

    Returns
    -------
    dict
        equal, load_id, customers (None: everyone), tables (one dict each, as ``TableComparison`` has them, in
        order of dependence), cells, seconds; of a difference also first (the first model whose tables
        differ), and raw_rows: the fewest raw rows that show it, by column, None where it does not recur on
        them.

    Raises
    ------
    NotReadyError
        Spark, Java or raw data are missing.
    BuildError
        A model does not run on one of the engines.
    """
    if customers is not None and customers < 1:
        raise UsageError(f"--customers {customers} leaves nobody to compare: give one or more")
    check_spark()
    home, started = Home.at(home), time.monotonic()
    problem = problem_for(home, problem, progress)
    load, terms = home.current_load(), label_terms(home, problem, progress)
    with scratch_folder(home) as scratch:
        rows = load if customers is None else sample(load, scratch, customers)
        ours = build_on("duckdb", scratch / "duckdb", rows, terms, project, progress)
        theirs = build_on("spark", scratch / "spark", rows, terms, project, progress)
        tables, difference = compare_builds(ours, theirs, rows)
    result = {
        "equal": all(table.equal for table in tables),
        "load_id": load.name,
        "customers": customers,
        "tables": [table.as_dict() for table in tables],
        "cells": sum(table.cells for table in tables),
    }
    return {**result, **difference, "seconds": round(time.monotonic() - started, 1)}


def sample(load: Path, scratch: Path, most: int) -> Path:
    """Copy the raw rows of some customers, and of those whom merges join to them; the folder of the copy."""
    with duckdb.connect() as connection:
        table = customers_table()
        draw_customers(
            connection,
            f"(select {table.key[0]} as customer_id from {relation_of(load / table.name)})",
            most,
            SEED,
        )
        add_joined(connection, "chosen", load)
        copy_raw(load, connection, scratch / "raw")
    return scratch / "raw"


def compare_builds(
    ours: EngineBuild, theirs: EngineBuild, load: Path
) -> tuple[list[TableComparison], dict[str, Any]]:
    """Compare every model of two builds; cut the first difference in values down."""
    with duckdb.connect(config={"memory_limit": memory_limit(MEMORY_LIMIT)}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {literal(ours.database)} as {ours.database.stem} (read_only)")
        tables = [
            compare_table(
                connection,
                model.name,
                model.table,
                theirs.spark_rows(model.name),
                ours.keys.get(model.name, ()),
            )
            for model in in_order_of_dependence(ours.models)
        ]
        first = next((table for table in tables if not table.equal), None)
        if first is None:
            return tables, {}
        difference: dict[str, Any] = {"first": first.model, "raw_rows": None}
        if first.only_duckdb or first.only_spark:
            rows = ours.models.named(first.model).table
            suspects = differing_customers(
                connection,
                ours.models.named("int_customers").table,
                rows,
                theirs.spark_rows(first.model),
                list(types_of(connection, rows)),
            )
            difference["raw_rows"] = fewest_raw_rows(first.model, ours, theirs, load, suspects)
    return tables, difference


def fewest_raw_rows(
    model: str, ours: EngineBuild, theirs: EngineBuild, load: Path, suspects: list[str]
) -> list[dict[str, Any]] | None:
    """The raw rows that a difference comes down to, by column; None if it does not recur on them."""
    with SparkSql() as spark:
        probe = Probe(model, ours.models, theirs.models, load, spark)
        fewest_rows = cut_down(probe, suspects, customers_of(load))
        return probe.contents(*fewest_rows) if fewest_rows else None
