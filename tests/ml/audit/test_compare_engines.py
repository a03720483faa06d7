"""The comparison of two engines' tables, the search for the fewest rows, and what is said; without Spark."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from click.testing import CliRunner

from ml.audit import compare_engines as comparison
from ml.audit import engine_builds
from ml.audit.cut_down import fewest
from ml.audit.engine_differences import compare_table, differing_customers
from ml.cli import main
from ml.common.errors import NotReadyError, UsageError

ROWS = """
    create table ours as from (values (1, 'a', 1.50::decimal(10, 2)), (2, 'b', null), (3, 'c', 7.25))
        as rows(customer_number, name, amount);
    create table theirs as from ours;
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as database:
        database.execute(ROWS)
        yield database


def test_equal_tables(connection: duckdb.DuckDBPyConnection) -> None:
    table = compare_table(connection, "model", "ours", "theirs", ("customer_number",))
    assert table.equal
    assert (table.rows, table.cells, table.example) == (3, 9, {})


@pytest.mark.parametrize(
    ("change", "types"),
    [
        (
            "alter table theirs alter amount type decimal(12, 2)",
            ("amount is DECIMAL(10,2) on DuckDB and DECIMAL(12,2) on Spark",),
        ),
        ("alter table theirs drop amount", ("amount is DECIMAL(10,2) on DuckDB and missing on Spark",)),
        (
            "create or replace table theirs as select name, customer_number, amount from ours",
            (
                "the columns come as customer_number, name, amount on DuckDB and name, customer_number, "
                "amount on Spark",
            ),
        ),
    ],
)
def test_types_that_differ(
    connection: duckdb.DuckDBPyConnection, change: str, types: tuple[str, ...]
) -> None:
    connection.execute(change)
    table = compare_table(connection, "model", "ours", "theirs", ("customer_number",))
    assert (table.types, table.only_duckdb, table.only_spark) == (types, 0, 0)
    assert not table.equal


@pytest.mark.parametrize("nulls", ["update theirs set amount = null where customer_number = 1", ""])
def test_a_cell_that_differs_is_named(connection: duckdb.DuckDBPyConnection, nulls: str) -> None:
    connection.execute(nulls or "update theirs set amount = 1.51 where customer_number = 1")
    table = compare_table(connection, "model", "ours", "theirs", ("customer_number",))
    assert (table.only_duckdb, table.only_spark, table.columns) == (1, 1, ("amount",))
    spark_value = None if nulls else "1.51"
    assert table.example == {"customer_number": "1", "DuckDB: amount": "1.50", "Spark: amount": spark_value}


def test_a_row_that_is_missing_or_comes_twice(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("delete from theirs where customer_number = 2; insert into theirs from theirs limit 1")
    table = compare_table(connection, "model", "ours", "theirs", ("customer_number",))
    assert (table.only_duckdb, table.only_spark, table.columns) == (1, 1, ())
    assert table.example["customer_number"] == "1"


def test_customers_whose_rows_differ(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create table customers as select customer_number, 'c' || customer_number as customer_id from ours"
    )
    connection.execute("update theirs set name = 'x' where customer_number = 3")
    names = ["customer_number", "name", "amount"]
    assert differing_customers(connection, "customers", "ours", "theirs", names) == ["c3"]
    assert differing_customers(connection, "customers", "ours", "theirs", ["name"]) == []


@pytest.mark.parametrize("guilty", [{7}, {0, 99}, {3, 50, 51, 98}, set(range(100))])
def test_the_fewest_rows_are_the_guilty_ones(guilty: set[int]) -> None:
    calls = []

    def fails(rows: list[int]) -> bool:
        calls.append(len(rows))
        return guilty <= {*rows}

    assert set(fewest(range(100), fails)) == guilty
    assert len(calls) < 100 * 100


def test_any_of_several_causes_is_enough() -> None:
    assert fewest(range(64), lambda rows: bool({*rows} & {5, 40})) in ([5], [40])


def test_spark_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine_builds, "find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["compare-engines", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr == (
        "churn: Spark is not installed: in the repository 'make spark' makes .venv-spark, whose 'churn' "
        "has it; elsewhere pip install 'tidemark[spark]'\n"
    )


@pytest.mark.parametrize(
    ("answer", "there"),
    [(None, "there is none"), ('openjdk version "11.0.2" 2019-01-15', "this is Java 11")],
)
def test_java_that_is_missing_or_old(monkeypatch: pytest.MonkeyPatch, answer: str | None, there: str) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(engine_builds, "find_spec", lambda name: True)
    monkeypatch.setattr(engine_builds.shutil, "which", lambda *_, **__: answer and "/usr/bin/java")
    monkeypatch.setattr(engine_builds.subprocess, "run", lambda *_, **__: SimpleNamespace(stderr=answer))
    with pytest.raises(NotReadyError, match=f"Spark needs Java 17 or later, and {there}"):
        engine_builds.check_spark()


def test_nobody_to_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--customers 0 leaves nobody to compare"):
        comparison.compare_engines(home=str(tmp_path), customers=0)


def result_of(**changes: object) -> dict[str, object]:
    """What ``compare_engines`` returns for one table."""
    table = {
        "model": "int_ticket_facts",
        "equal": False,
        "rows": 1200,
        "types": [],
        "only_duckdb": 2,
        "only_spark": 2,
        "columns": ["resolution_seconds"],
        "example": {"ticket_id": "t1", "DuckDB: resolution_seconds": "1", "Spark: resolution_seconds": "2"},
    }
    return {
        "equal": False,
        "tables": [table | changes],
        "cells": 9600,
        "raw_rows": [{"table": "support_tickets", "ticket_id": "t1", "_file": "a.csv", "_row": 1}],
    }


def test_a_difference_is_reported_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "compare_engines", lambda **_: result_of())
    result = CliRunner().invoke(main, ["compare-engines"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "int_ticket_facts         1,200  DIFFERS: 2 rows on DuckDB alone, 2 on Spark alone; "
        "columns resolution_seconds",
        "the engines first differ in int_ticket_facts",
        "  ticket_id t1, DuckDB: resolution_seconds 1, Spark: resolution_seconds 2",
        "  the fewest raw rows that show it: 1",
        "    support_tickets: ticket_id=t1",
    ]


def test_equal_tables_are_reported_with_status_0(monkeypatch: pytest.MonkeyPatch) -> None:
    equal = result_of(equal=True, only_duckdb=0, only_spark=0)
    monkeypatch.setattr(comparison, "compare_engines", lambda **_: equal | {"equal": True})
    result = CliRunner().invoke(main, ["compare-engines"])
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "int_ticket_facts         1,200  equal",
        "DuckDB and Spark agree in 1 tables, 9,600 cells and every type",
    ]


def test_a_type_alone_needs_no_raw_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "amount is DOUBLE on DuckDB and BIGINT on Spark"
    only_types = result_of(types=[sentence], only_duckdb=0, only_spark=0, columns=[], example={})
    monkeypatch.setattr(comparison, "compare_engines", lambda **_: only_types | {"raw_rows": None})
    result = CliRunner().invoke(main, ["compare-engines"])
    assert result.output.splitlines()[1:] == ["the engines first differ in int_ticket_facts", f"  {sentence}"]
