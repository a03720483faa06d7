"""Whether two commits make the same features, labels, model and scores of one simulated shop.

Another commit is checked out beside this tree; each ingests, builds, trains and scores in a home of its own,
with this environment's packages. Every cell of the columns that the other commit has is compared. Exit status
1 where any differs. Example:

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
from typing import Any

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


def make(tree: Path, home: Path, shop: list[str], has_model: bool, progress: Progress) -> None:
    """From raw tables to features, or to scores, with the code in ``tree``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHURN_")}
    environment["PYTHONPATH"] = str(tree)
    steps = [["ingest", "--demo", "shop", *shop], ["build"]]
    steps += [["train"], ["score", "--out", str(home / "scores.parquet")]] if has_model else []
    for words in steps:
        progress.say(f"{tree.name}: churn {' '.join(words)}")
        command = [sys.executable, "-m", "ml", *words, "--home", str(home), "--quiet"]
        subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)


def compare_rows(before: str, after: str) -> dict[str, Any]:
    """Rows and cells of two sets of Parquet files, the rows that only one has, and columns that are new.

    Raises
    ------
    ClickException
        A column is gone or has another type.
    """
    with duckdb.connect() as connection:
        old, new = (
            dict(row[:2] for row in connection.execute(f"describe from '{path}'").fetchall())
            for path in (before, after)
        )
        if lost := [name for name, kind in old.items() if new.get(name) != kind]:
            raise click.ClickException(f"{after} has not the same {', '.join(lost)} as {before}")
        rows = [f"(select {', '.join(old)} from '{path}')" for path in (before, after)]
        counts = {
            "rows": rows[1],
            "only_before": f"({rows[0]} except all {rows[1]})",
            "only_after": f"({rows[1]} except all {rows[0]})",
        }
        result: dict[str, Any] = {
            name: connection.execute(f"select count(*) from {relation}").fetchall()[0][0]
            for name, relation in counts.items()
        }
    return result | {"cells": result["rows"] * len(old), "new": [name for name in new if name not in old]}


def compare_homes(before: Path, after: Path, has_model: bool) -> dict[str, dict[str, Any]]:
    """Every table of the build before, and the scores."""
    current = before / "builds" / "current"
    tables = sorted(
        str(path.relative_to(current))
        for pattern in TABLES
        for path in current.glob(pattern)
        if path.is_dir()
    )
    files = {table: f"builds/current/{table}/*.parquet" for table in tables}
    files |= {"scores": "scores.parquet"} if has_model else {}
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
@click.option("--model/--no-model", "has_model", default=True, help="Train and score too.")
def main(before: str, customers: int, seed: int, has_model: bool) -> None:
    progress, shop = Progress(), ["--customers", str(customers), "--seed", str(seed)]
    with tempfile.TemporaryDirectory() as folder:
        homes = Path(folder) / "home-before", Path(folder) / "home-after"
        with checkout(before, Path(folder)) as tree:
            make(tree, homes[0], shop, has_model, progress)
            make(ROOT, homes[1], shop, has_model, progress)
        result = compare_homes(*homes, has_model)
        figures = differing_figures(*homes) if has_model else []
    for name, counts in result.items():
        click.echo(f"{name:<36} {counts['rows']:>10,} rows  {counts['cells']:>12,} cells  ", nl=False)
        new = f"  new: {', '.join(counts['new'])}" if counts["new"] else ""
        click.echo(f"only before {counts['only_before']:,}  only after {counts['only_after']:,}{new}")
    if has_model:
        click.echo(f"model.json: {', '.join(figures) or 'no figure'} differs")
    if figures or any(counts["only_before"] or counts["only_after"] for counts in result.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
