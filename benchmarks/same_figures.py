"""Whether two commits make the same features, labels, model and scores of one simulated shop.

Another commit is checked out beside this tree; each ingests, builds, trains and scores in a home of its own,
with this environment's packages. Every cell is compared. Exit status 1 where any differs. Example:

    python -m benchmarks.same_figures --before 4ce0574 --customers 20000
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import duckdb

from ml.common.paths import ROOT
from ml.common.progress import Progress

TABLES = "features/*", "labels/*"
# Not among them: the code's own commit, packages, hashes of files, seconds.
FIGURES = (
    "champion",
    "inputs",
    "labelled_rows",
    "split",
    "parts",
    "settings",
    "calibration",
    "threshold",
    "prepared_means",
    "suspects",
    "test",
)


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of ``commit`` in ``folder``."""
    tree = folder / "before"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=ROOT, check=True)
    try:
        yield tree
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def make(tree: Path, home: Path, customers: int, seed: int, progress: Progress) -> None:
    """From raw tables to scores with the code in ``tree``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHURN_")}
    environment["PYTHONPATH"] = str(tree)
    demo = ["ingest", "--demo", "shop", "--customers", str(customers), "--seed", str(seed)]
    for words in (demo, ["build"], ["train"], ["score", "--out", str(home / "scores.parquet")]):
        progress.say(f"{tree.name}: churn {' '.join(words)}")
        command = [sys.executable, "-m", "ml", *words, "--home", str(home), "--quiet"]
        subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)


def compare_rows(before: str, after: str) -> dict[str, int]:
    """Rows, cells and the rows that only one of two sets of Parquet files has; columns must be the same."""
    with duckdb.connect() as connection:
        columns = [
            [row[:2] for row in connection.execute(f"describe from '{path}'").fetchall()]
            for path in (before, after)
        ]
        if columns[0] != columns[1]:
            raise click.ClickException(f"{after} has other columns than {before}")
        count = "select count(*) from {}"
        rows = connection.execute(count.format(f"'{after}'")).fetchall()[0][0]
        only = [
            connection.execute(count.format(f"(from '{one}' except all from '{other}')")).fetchall()[0][0]
            for one, other in ((before, after), (after, before))
        ]
    return {"rows": rows, "cells": rows * len(columns[0]), "only_before": only[0], "only_after": only[1]}


def compare_homes(before: Path, after: Path) -> dict[str, dict[str, int]]:
    """Every table of the builds, and the scores."""
    current = after / "builds" / "current"
    tables = sorted(
        str(path.relative_to(current))
        for pattern in TABLES
        for path in current.glob(pattern)
        if path.is_dir()
    )
    files = {table: f"builds/current/{table}/*.parquet" for table in tables} | {"scores": "scores.parquet"}
    return {name: compare_rows(str(before / path), str(after / path)) for name, path in files.items()}


def differing_figures(before: Path, after: Path) -> list[str]:
    """Entries of model.json that differ."""
    first, second = (
        json.loads((home / "builds" / "current" / "model" / "model.json").read_text())
        for home in (before, after)
    )
    return [name for name in FIGURES if first[name] != second[name]]


@click.command(help=__doc__)
@click.option("--before", required=True, help="The commit to compare with.")
@click.option("--customers", default=20_000, show_default=True)
@click.option("--seed", default=7, show_default=True)
def main(before: str, customers: int, seed: int) -> None:
    progress = Progress()
    with tempfile.TemporaryDirectory() as folder:
        homes = Path(folder) / "home-before", Path(folder) / "home-after"
        with checkout(before, Path(folder)) as tree:
            make(tree, homes[0], customers, seed, progress)
            make(ROOT, homes[1], customers, seed, progress)
        result = compare_homes(*homes)
        figures = differing_figures(*homes)
    for name, counts in result.items():
        click.echo(f"{name:<36} {counts['rows']:>10,} rows  {counts['cells']:>12,} cells  ", nl=False)
        click.echo(f"only before {counts['only_before']:,}  only after {counts['only_after']:,}")
    click.echo(f"model.json: {', '.join(figures) or 'no figure'} differs")
    if figures or any(counts["only_before"] or counts["only_after"] for counts in result.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
