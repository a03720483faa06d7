"""What a build of new facts alone costs beside a full one, and that both make the same tables.

    extracts   a shop as it stood at five instants, each loaded on top of the one before and built
    one day    the facts of one day on top of two years

Writes benchmarks/increments.json and docs/increments.md. Example: python -m benchmarks.increments --day 50000
"""

import json
import shutil
import sys
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import duckdb

from benchmarks.bare_duckdb import MEMORY, THREADS
from benchmarks.increments_page import page
from benchmarks.machine import machine
from benchmarks.measure import measure
from benchmarks.sums import one_table
from ml.common.errors import TidemarkError
from ml.common.paths import ROOT, churn_home
from ml.common.progress import Progress
from ml.demos.shop import write_shop
from ml.home.build_manifest import read_build_manifest
from ml.home.layout import Home
from ml.ingest.declaration import parent_of, tables_of_customers

RESULTS = ROOT / "benchmarks" / "increments.json"
PAGE = ROOT / "docs" / "increments.md"
CHURN = (sys.executable, "-m", "ml")
EXTRACTS = tuple(datetime(2024, 12, day) for day in (2, 9, 16, 23, 30))
DAY_BEGINS, DAY_ENDS = datetime(2024, 12, 30), datetime(2024, 12, 31)
ALMOST_NOBODY = 5
FEATURES, LABELS = "features", "labels"


def churn(home: Path, *words: object) -> dict[str, Any]:
    """Run one command in a process of its own; what it took, and what it says of itself."""
    measured, said = measure([*CHURN, *words, "--home", home, "--json"])
    return {"took": measured.as_dict(), "said": json.loads(said)}


def sums(build: Path) -> dict[str, dict[str, Any]]:
    """Rows, columns and checksum of every table of a build."""
    folders = [folder for kind in (FEATURES, LABELS) for folder in sorted((build / kind).iterdir())]
    with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY}) as connection:
        return {folder.name: one_table(connection, f"{folder}/*.parquet") for folder in folders}


def compared(first: Path, second: Path) -> dict[str, Any]:
    """How many cells two builds have, and the tables in which they differ."""
    left, right = sums(first), sums(second)
    cells = sum(table["rows"] * len(table["columns"]) for table in right.values())
    return {"cells": cells, "differing": [name for name in right if left.get(name) != right[name]]}


def history(earlier: Path, later: Path, clock: str) -> dict[str, int]:
    """Feature cells up to the earlier data clock, and rows that only one of two builds has."""
    cells = moved = 0
    for folder in sorted((earlier / FEATURES).iterdir()):
        past = f"where event_timestamp <= timestamp '{clock.removesuffix('Z')}'"
        old = f"(from read_parquet('{folder}/*.parquet') {past})"
        new = f"(from read_parquet('{later / FEATURES / folder.name}/*.parquet') {past})"
        width = len(duckdb.sql(f"describe {old}").fetchall())
        cells += width * duckdb.sql(f"select count(*) from {old}").fetchall()[0][0]
        for one, other in ((old, new), (new, old)):
            moved += duckdb.sql(f"select count(*) from ({one} except all {other})").fetchall()[0][0]
    return {"cells": cells, "moved": moved}


def run_extracts(folder: Path, customers: int, progress: Progress) -> dict[str, Any]:
    """Load and build five extracts one after another, then the last one alone, from nothing."""
    home, steps = folder / "home", []
    for instant in EXTRACTS:
        raw = folder / f"{instant:%m-%d}" / "raw"
        write_shop(raw, customers=customers, as_of=instant)
        loaded = churn(home, "ingest", raw, "--append")["said"]
        built = churn(home, "build", "--keep", len(EXTRACTS))
        steps.append({"extract": f"{instant:%Y-%m-%d}", "loaded": loaded["tables"], **built})
        progress.say(f"extract of {instant:%Y-%m-%d}: {built['took']['seconds']:.1f} s")
    whole = folder / "whole"
    churn(whole, "ingest", raw)
    churn(whole, "build")
    folders = [Home(home).builds / step["said"]["build_id"] for step in steps]
    for step, (earlier, later) in zip(steps[1:], pairwise(folders), strict=True):
        step["history"] = history(earlier, later, read_build_manifest(earlier)["data_clock"])
    return {
        "customers": customers,
        "steps": steps,
        "against_full": compared(folders[-1], Home(whole).current_build()),
    }


def run_day(folder: Path, customers: int, repeats: int, progress: Progress) -> dict[str, Any]:
    """Build up to a day, add the day's facts, then build what they touch and everything, by turns."""
    home, keep = folder / "home", ("--keep", 2 * repeats + 1)
    write_day(folder, customers)
    churn(home, "ingest", folder / "before" / "raw")
    first = churn(home, "build")
    progress.say(f"{customers:,} customers up to {DAY_BEGINS:%Y-%m-%d}: {first['took']['seconds']:.1f} s")
    loaded = churn(home, "ingest", folder / "day", "--append")
    runs: dict[str, list[dict[str, Any]]] = {"full": [], "increment": []}
    for _ in range(repeats):
        runs["full"].append(churn(home, "build", *keep, "--full-refresh"))
        churn(home, "rollback", first["said"]["build_id"])
        runs["increment"].append(churn(home, "build", *keep))
        progress.say(", ".join(f"{kind} {made[-1]['took']['seconds']:.1f} s" for kind, made in runs.items()))
    whole, added = (median_of(made) for made in runs.values())
    builds = Home(home).builds
    found = compared(builds / added["said"]["build_id"], builds / whole["said"]["build_id"])
    return {
        "customers": customers,
        "facts": {name: counts["accepted"] for name, counts in loaded["said"]["tables"].items()},
        "ingest": loaded["took"],
        "increment": added,
        "full": whole,
        "all_seconds": {kind: [each["took"]["seconds"] for each in made] for kind, made in runs.items()},
        "start_up": run_start_up(folder / "nobody", repeats),
        "against_full": found,
    }


def run_start_up(folder: Path, repeats: int) -> dict[str, Any]:
    """The same two kinds of build over next to no data: what dbt and Python take by themselves."""
    home = folder / "home"
    write_day(folder, ALMOST_NOBODY)
    churn(home, "ingest", folder / "before" / "raw")
    first = churn(home, "build")
    churn(home, "ingest", folder / "day", "--append")
    runs: dict[str, list[dict[str, Any]]] = {"full": [], "increment": []}
    for _ in range(repeats):
        runs["full"].append(churn(home, "build", "--full-refresh"))
        churn(home, "rollback", first["said"]["build_id"])
        runs["increment"].append(churn(home, "build"))
    return {kind: median_of(made)["took"] for kind, made in runs.items()}


def median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run that took neither the longest nor the shortest."""
    return sorted(runs, key=lambda run: run["took"]["seconds"])[len(runs) // 2]


def write_day(folder: Path, customers: int) -> None:
    """The shop up to a day in ``before/raw``, and in ``day`` what became known on that day alone."""
    write_shop(folder / "before" / "raw", customers=customers, as_of=DAY_BEGINS)
    write_shop(folder / "after" / "raw", customers=customers, as_of=DAY_ENDS)
    (folder / "day").mkdir(exist_ok=True)
    for table in tables_of_customers():
        rows = f"from '{folder / 'after' / 'raw' / table.name}.parquet'"
        if parent := parent_of(table):
            for join, part in (("semi", "day"), ("anti", "before/raw")):
                rows += f" {join} join '{folder / part / parent.name}.parquet' using ({parent.key[0]})"
        else:
            rows += f" where {table.known_at} > timestamp '{DAY_BEGINS}'"
        duckdb.sql(f"copy ({rows}) to '{folder / 'day' / table.name}.parquet' (format parquet)")


def fresh(folder: Path) -> Path:
    """``folder``, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_all(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def breaches(results: dict[str, Any]) -> Iterable[str]:
    """What is not as it must be."""
    for part in (results["extracts"], *results["days"]):
        yield from (f"{name} differs from a full build" for name in part["against_full"]["differing"])
    for step in results["extracts"]["steps"][1:]:
        if step["history"]["moved"]:
            yield f"history moved with the extract of {step['extract']}"


@click.command()
@click.option("--extracts", default=5_000, show_default=True, help="Customers of the shop of extracts.")
@click.option("--day", default="50000,500000", show_default=True, help="Customers of the shops of one day.")
@click.option(
    "--repeats", default=3, show_default=True, help="Full builds and increments of one day, by turns."
)
@click.option("--home", type=click.Path(path_type=Path), help="Where shops lie (default CHURN_HOME/bench).")
@click.option("--page-only", is_flag=True, help="Only write the page anew from benchmarks/increments.json.")
def main(extracts: int, day: str, repeats: int, home: Path | None, page_only: bool) -> None:
    """Measure builds of new facts; writes benchmarks/increments.json and docs/increments.md."""
    if page_only:
        return write_all(json.loads(RESULTS.read_text()))
    folder = (home or churn_home() / "bench").resolve() / "increments"
    progress = Progress()
    try:
        results: dict[str, Any] = {"machine": machine(), "days": []}
        results["extracts"] = run_extracts(fresh(folder / "extracts"), extracts, progress)
        for customers in map(int, day.split(",")):
            found = run_day(fresh(folder / f"day-{customers}"), customers, repeats, progress)
            results["days"].append(found)
            write_all(results)
    except TidemarkError as error:
        raise click.ClickException(str(error)) from error
    wrong = list(breaches(results))
    if wrong:
        raise click.ClickException("; ".join(wrong))


if __name__ == "__main__":
    main()
