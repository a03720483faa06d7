"""``churn compare-engines``."""

import sys
from typing import Any

import click

from ml.cli.command import Run, churn_command, problem_option


@click.command(name="compare-engines")
@click.option("--customers", type=int, metavar="N", help="Only so many customers, the same in each run.")
@problem_option
@churn_command
def command(run: Run, customers: int | None, problem: str | None) -> None:
    """Build on DuckDB and on Spark, and compare every table cell by cell.

    Both builds are made in scratch folders; nothing is published. Where the engines differ, the first
    model is named, with the fewest raw rows that show it, and the status is 1. Needs Spark and Java 17.

    \b
    Example:
      churn compare-engines --customers 2000
    """
    from ml.audit.compare_engines import compare_engines

    result = compare_engines(home=run.home, customers=customers, problem=problem, progress=run.progress)
    run.finish(result, as_lines(result))
    sys.exit(0 if result["equal"] else 1)


def as_lines(result: dict[str, Any]) -> str:
    """The result for people: a line for each table, then the conclusion."""
    width = max(len(table["model"]) for table in result["tables"])
    lines = [
        f"{table['model']:{width}s}  {table['rows']:>12,}  {'equal' if table['equal'] else difference(table)}"
        for table in result["tables"]
    ]
    if result["equal"]:
        count = len(result["tables"])
        return "\n".join(
            [*lines, f"DuckDB and Spark agree in {count} tables, {result['cells']:,} cells and every type"]
        )
    first = next(table for table in result["tables"] if not table["equal"])
    lines.append(f"the engines first differ in {first['model']}")
    lines += [f"  {sentence}" for sentence in first["types"]]
    if first["example"]:
        lines.append("  " + ", ".join(f"{name} {value}" for name, value in first["example"].items()))
    return "\n".join([*lines, *raw_rows(result["raw_rows"], first)])


def difference(table: dict[str, Any]) -> str:
    """How a table differs, in a few words."""
    parts = [f"{len(table['types'])} types"] if table["types"] else []
    if table["only_duckdb"] or table["only_spark"]:
        parts.append(f"{table['only_duckdb']:,} rows on DuckDB alone, {table['only_spark']:,} on Spark alone")
    if table["columns"]:
        parts.append(f"columns {', '.join(table['columns'])}")
    return "DIFFERS: " + "; ".join(parts)


def raw_rows(rows: list[dict[str, Any]] | None, first: dict[str, Any]) -> list[str]:
    """The raw rows that show the difference."""
    if not (first["only_duckdb"] or first["only_spark"]):
        return []
    if rows is None:
        return ["  it does not recur where Spark reads the same rows from memory: look at its files"]
    lines = [f"  the fewest raw rows that show it: {len(rows)}"]
    for row in rows:
        cells = ", ".join(
            f"{name}={value}" for name, value in row.items() if name not in ("table", "_file", "_row")
        )
        lines.append(f"    {row['table']}: {cells}")
    return lines
