"""Materialization: everybody anew, and what a day changes; ours, and Feast's own engine into its own stores.

Feast's own is measured at two sizes and scaled from there. Writes benchmarks/materialization.json.
Example: python -m benchmarks.materialization --customers 50000
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import duckdb

from benchmarks.document import write_document
from benchmarks.increments import write_day
from benchmarks.machine import machine
from benchmarks.measure import measure
from benchmarks.online_figures import scaled, spread
from benchmarks.online_page import materialization_section
from benchmarks.peer_store import REDIS, answers, write_part
from ml.common.errors import TidemarkError
from ml.common.instants import format_instant
from ml.common.paths import ROOT
from ml.common.progress import Progress
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import data_clock
from ml.home.layout import Home

RESULTS = ROOT / "benchmarks" / "materialization.json"
CHURN = (sys.executable, "-m", "ml")
STEP = (sys.executable, "-m", "benchmarks.online_step")
BACK = {"an hour": timedelta(hours=1), "a day": timedelta(days=1), "a week": timedelta(days=7)}


def churn(home: Path, *words: object) -> dict[str, Any]:
    """Run one command in a process of its own; what it took, and what it says of itself."""
    measured, said = measure([*CHURN, *words, "--home", home, "--json"])
    return {"took": measured.as_dict(), "said": json.loads(said)}


def step(*words: object) -> dict[str, Any]:
    """Run one step in a process of its own."""
    measured, said = measure([*STEP, *words])
    return {"took": measured.as_dict(), "said": json.loads(said)}


def shop_of(folder: Path, customers: int, progress: Progress) -> Path:
    """The home of a built shop, made if it is not there yet."""
    home = folder / f"shop-{customers}"
    if not (home / "builds" / "current").exists():
        churn(home, "ingest", "--demo", "shop", "--customers", customers)
        churn(home, "build")
        progress.say(f"a shop of {customers:,} customers is built")
    return home


def run(
    folder: Path, customers: int, parts: Sequence[int], repeats: int, redis: str, progress: Progress
) -> dict[str, Any]:
    """Everybody anew, by our command and through Feast's API; parts by Feast's own; then increments."""
    home = shop_of(folder, customers, progress)
    build = Home(home).current_build()
    runs: dict[str, list[dict[str, Any]]] = {"own": [], "feast": []}
    for size in parts:
        write_part(build, size, folder / f"part-{size}")
    peers = ["sqlite", *(["redis"] if answers(redis) else [])]
    for repeat in range(repeats):
        runs["own"].append(churn(home, "materialize", "--full-refresh"))
        runs["feast"].append(step("feast", home))
        for kind in peers:
            for size in parts:
                place = folder / f"{kind}-{size}-{repeat}"
                made = step("fill", kind, build, folder / f"part-{size}", place, "--redis", redis)
                runs.setdefault(f"{kind} {size}", []).append(made)
        progress.say(", ".join(f"{name} {made[-1]['took']['seconds']:.1f} s" for name, made in runs.items()))
    whole = {name: figures(made) for name, made in runs.items()}
    return {
        "customers": customers,
        "parts": list(parts),
        "repeats": repeats,
        "whole": whole,
        "scaled": {
            kind: scaled(parts, [whole[f"{kind} {size}"]["seconds"]["median"] for size in parts], customers)
            for kind in peers
        },
        "increments": increments(home, build, repeats, progress),
        "day": one_day(folder, customers, repeats, progress),
    }


def figures(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Seconds, processor time and memory over repeats; the whole process counts, start-up included."""
    return {
        "seconds": spread([run["took"]["seconds"] for run in runs]),
        "cpu_seconds": spread([run["took"]["cpu_seconds"] for run in runs]),
        "peak_bytes": spread([run["took"]["peak_bytes"] for run in runs]),
        "load_before": max(run["took"]["load_before"] for run in runs),
    }


def increments(home: Path, build: Path, repeats: int, progress: Progress) -> dict[str, Any]:
    """From some while ago to the data clock: how many rows are written, and what it takes."""
    found, clock = {}, data_clock(build)
    for name, back in (("nothing", timedelta(microseconds=1)), *BACK.items()):
        runs, before = [], clock - back
        for _ in range(repeats):
            churn(home, "materialize", "--full-refresh", "--as-of", format_instant(before))
            runs.append(churn(home, "materialize"))
        found[name] = figures(runs) | changed(build, before, clock)
        seconds, rows = found[name]["seconds"]["median"], found[name]["rows"]
        progress.say(f"{name}: {rows:,} of {found[name]['rows_of_all']:,} rows, {seconds:.1f} s")
    return found


def one_day(folder: Path, customers: int, repeats: int, progress: Progress) -> dict[str, Any]:
    """The facts of one day come in, are built and put online, beside putting everybody online anew."""
    home = folder / f"day-{customers}"
    if not (home / "builds" / "build-000002").exists():
        home.mkdir(parents=True, exist_ok=True)
        write_day(home, customers)
        churn(home, "ingest", home / "before" / "raw")
        churn(home, "build")
        churn(home, "materialize")
        shutil.copytree(home / "feast", home / "feast-before", dirs_exist_ok=True)
        churn(home, "ingest", home / "day", "--append")
        churn(home, "build")
    first, second = (Home(home).builds / f"build-00000{number}" for number in (1, 2))
    runs: dict[str, list[dict[str, Any]]] = {"increment": [], "everybody": []}
    for _ in range(repeats):
        shutil.rmtree(home / "feast")
        shutil.copytree(home / "feast-before", home / "feast")
        runs["increment"].append(churn(home, "materialize"))
        runs["everybody"].append(churn(home, "materialize", "--full-refresh"))
    progress.say(", ".join(f"{name} {made[-1]['took']['seconds']:.1f} s" for name, made in runs.items()))
    rows = changed(second, data_clock(first), data_clock(second))
    return {name: figures(made) | rows for name, made in runs.items()}


def changed(build: Path, before: datetime, clock: datetime) -> dict[str, int]:
    """How many rows online, over all views, another takes the place of; how many there are."""
    rows = {"rows": 0, "rows_of_all": 0}
    for view in read_catalog(build).views:
        query = (
            "select count(distinct customer_id) filter (event_timestamp > $1), count(distinct customer_id)"
            f" from read_parquet('{view.path}/*.parquet') where event_timestamp <= $2"
        )
        some, everyone = duckdb.execute(query, [before, clock]).fetchall()[0]
        rows = {"rows": rows["rows"] + some, "rows_of_all": rows["rows_of_all"] + everyone}
    return rows


@click.command()
@click.option("--customers", default=500_000, show_default=True, help="In our store.")
@click.option(
    "--part", "parts", multiple=True, default=(10_000, 20_000), show_default=True, help="In Feast's own."
)
@click.option("--repeats", default=3, show_default=True, help="Of every figure.")
@click.option("--redis", default=REDIS, show_default=True, help="Where Redis may answer.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; a shop there is used again.")
def main(customers: int, parts: tuple[int, ...], repeats: int, redis: str, folder: Path | None) -> None:
    """Measure materialization; writes benchmarks/materialization.json."""
    if len(parts) != 2 or parts[0] >= parts[1]:
        raise click.UsageError("give --part twice, the smaller first")
    progress = Progress()
    with tempfile.TemporaryDirectory() as spare:
        try:
            results = run(folder or Path(spare), customers, parts, repeats, redis, progress)
        except TidemarkError as error:
            raise click.ClickException(str(error)) from error
    RESULTS.write_text(json.dumps({"machine": machine()} | results, indent=1) + "\n")
    write_document()
    progress.say(materialization_section(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
