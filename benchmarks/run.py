"""``make bench``: measure every step on shops of growing size, then write the figures, the page and the plot.

Example: python -m benchmarks.run --sizes 50000 --repeats 1
"""

import json
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.build_parts import build_parts
from benchmarks.document import STEPS, write_document
from benchmarks.machine import machine, memory, threads
from benchmarks.measure import Measured, measure
from benchmarks.shop import Shop
from benchmarks.sums import differences, table_sums
from ml.common.errors import TidemarkError
from ml.common.paths import churn_home
from ml.common.progress import Progress
from ml.home.layout import MODEL

SIZES, REPEATS = "50000,500000", "3,1"
CHURN = (sys.executable, "-m", "ml")


def run_shop(shop: Shop, repeats: int, rows: int, keep_model: bool, progress: Progress) -> dict[str, Any]:
    """Every step on one shop, ``repeats`` times over; the figures."""
    runs: dict[str, list[dict[str, Any]]] = {}
    figures: dict[str, Any] = {"customers": shop.customers, "runs": runs, "train": None}

    def step(name: str, *command: object) -> tuple[Measured, str]:
        measured, said = measure(command)
        runs.setdefault(name, []).append(measured.as_dict())
        progress.say(f"{shop.customers:>10,} customers  {name:<10}{measured.seconds:>9.1f} s")
        return measured, said

    for _ in range(repeats):
        step("ingest", *CHURN, "ingest", shop.raw, "--home", shop.home.root)
        built, _ = step("build", *CHURN, "build", "--home", shop.home.root)
        runs["build"][-1]["parts"] = build_parts(shop.home.current_build(), built.seconds)
        step("bare", *bare_command(shop))
        shop.make_asked(rows)
        step("features", *features_command(shop))
        if figures["train"] is None and not (keep_model and (shop.home.builds / "current" / MODEL).exists()):
            figures["train"] = step("train", *CHURN, "train", "--home", shop.home.root)[0].as_dict()
            del runs["train"]
        step("score", *score_command(shop))
    figures.update(raw_rows=shop.raw_rows(), built_rows=shop.built_rows(), asked_rows=rows)
    return {**figures, **answers(shop), "same_tables": same_tables(shop)}


def bare_command(shop: Shop) -> list[object]:
    """The baseline, on the raw rows that the build reads."""
    command = [sys.executable, "-m", "benchmarks.bare_duckdb", "--raw", shop.home.current_load()]
    return [*command, "--out", shop.bare, "--threads", threads(), "--memory", memory()]


def features_command(shop: Shop) -> list[object]:
    out = shop.folder / "answered.parquet"
    return [*CHURN, "features", "--rows", shop.asked, "--out", out, "--home", shop.home.root]


def score_command(shop: Shop) -> list[object]:
    return [*CHURN, "score", "--out", shop.folder / "scores.parquet", "--home", shop.home.root]


def answers(shop: Shop) -> dict[str, int]:
    """How many features were asked for, and how many customers scored."""
    import pyarrow.parquet as pq

    answered = pq.read_metadata(shop.folder / "answered.parquet")
    scores = pq.read_metadata(shop.folder / "scores.parquet")
    return {"features": answered.num_columns - 2, "scored": scores.num_rows}


def same_tables(shop: Shop) -> dict[str, dict[str, Any]]:
    """Rows and checksum of each table; TidemarkError unless the baseline made the same ones as the build."""
    built = table_sums(shop.home.current_build() / "features")
    found = differences(built, table_sums(shop.bare))
    if found:
        raise TidemarkError(f"bare DuckDB made other tables than the build: {'; '.join(found)}")
    return {name: {"rows": one["rows"], "checksum": one["checksum"]} for name, one in built.items()}


def write_all(results: dict[str, Any]) -> None:
    """Figures, page and plot."""
    STEPS.write_text(json.dumps(results, indent=1) + "\n")
    write_document()


def whole_numbers(text: str) -> list[int]:
    """``50000,500000`` as numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a list of whole numbers such as 50000,500000") from error


@click.command()
@click.option("--sizes", default=SIZES, show_default=True, help="Customers of each shop.")
@click.option("--repeats", default=REPEATS, show_default=True, help="Repeats at each size.")
@click.option("--home", type=click.Path(path_type=Path), help="Where shops lie (default CHURN_HOME/bench).")
@click.option("--rows", default=1_000_000, show_default=True, help="Rows asked of 'churn features'.")
@click.option("--keep-model", is_flag=True, help="Do not train where a model is there.")
@click.option("--fresh", is_flag=True, help="Make the raw tables anew even where they are there.")
@click.option("--page-only", is_flag=True, help="Only write page and plot anew from benchmarks/results.json.")
def main(
    sizes: str, repeats: str, home: Path | None, rows: int, keep_model: bool, fresh: bool, page_only: bool
) -> None:
    """Measure every step; writes benchmarks/results.json, docs/benchmarks.md and docs/benchmarks.png."""
    if page_only:
        return write_document()
    often = whole_numbers(repeats)
    results: dict[str, Any] = {"machine": machine(), "shops": []}
    try:
        for number, customers in enumerate(whole_numbers(sizes)):
            shop = Shop((home or churn_home() / "bench").resolve() / str(customers), customers)
            shop.make_raw(Progress(), fresh)
            times = often[min(number, len(often) - 1)]
            results["shops"].append(run_shop(shop, times, rows, keep_model, Progress()))
            write_all(results)
    except TidemarkError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
