"""What the final fit, the burn-in and the choice of calibration are worth, over origins in time.

Each world is trained as of several earlier instants twice: by the protocol without them (the judged model
scores, calibrated by a line through the calibration rows) and with them. Both score the same customers at the
cut-offs that followed. Writes benchmarks/origins.json, which docs/training.md shows.
Example: python -m benchmarks.origins --worlds grocery,steady,season,drift --seeds 7,8
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from benchmarks.machine import machine
from ml.common.paths import ROOT
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem, Tuning
from ml.demos.climate import STEADY, Climate
from ml.demos.shop import write_shop
from ml.evaluate.bootstrapped_rows import Rows
from ml.evaluate.rolling_origins import METRICS, MODEL, JudgedRows, judge_origins
from ml.features.label_models import every_label
from ml.features.training_parts import Part
from ml.home.layout import Home
from ml.home.problem_file import problem_for

RESULTS = ROOT / "benchmarks" / "origins.json"
GROCERY = "grocery"
CLIMATES = {"steady": STEADY, "season": Climate(season=0.4), "drift": Climate(trend=-0.4, leaving=1.8)}
CANDIDATES = ("logistic_regression", "random_forest", "lightgbm")
BEFORE, NOW = "before", "now"


def make_home(home: Path, world: str, customers: int, seed: int) -> None:
    """A world ingested and built, by the commands themselves."""
    source = ["--demo", "complete-journey"]
    if world != GROCERY:
        write_shop(home / "made" / "raw", customers=customers, seed=seed, climate=CLIMATES[world])
        source = [str(home / "made" / "raw")]
    for words in (["ingest", *source], ["build"]):
        subprocess.run([sys.executable, "-m", "ml", *words, "--home", str(home), "--quiet"], check=True)


def protocols(problem: Problem) -> dict[str, Problem]:
    """The problem by both protocols, with few candidates and without a search for settings."""
    now = replace(problem, candidates=CANDIDATES, tuning=Tuning(trials=0))
    return {BEFORE: replace(now, burn_in_days=0, refit=False, calibration="platt"), NOW: now}


def compare(home: Path, number: int) -> dict[str, Any]:
    """Both protocols over the origins that both could be trained at."""
    build, problem = Home.at(home).current_build(), problem_for(Home.at(home), None, SILENT)
    labels = every_label(build, problem)
    judged = {
        name: {origin.at: rows for origin, rows in judged_only(build, each, labels, number)}
        for name, each in protocols(problem).items()
    }
    origins = sorted(set(judged[BEFORE]) & set(judged[NOW]))
    return differences(origins, [[judged[name][at] for at in origins] for name in (BEFORE, NOW)], problem)


def judged_only(build: Path, problem: Problem, labels: pa.Table, number: int) -> Iterator[Any]:
    return (each for each in judge_origins(build, problem, labels, number) if not isinstance(each, str))


def differences(
    origins: Sequence[str], judged: Sequence[Sequence[JudgedRows]], problem: Problem
) -> dict[str, Any]:
    """Each metric by both protocols over all rows, and now minus before, drawn by customer."""
    part = Part("after", pa.concat_tables([rows.part.table for rows in judged[0]]))
    probabilities = {
        name: np.concatenate([rows.probabilities[MODEL] for rows in of_protocol])
        for name, of_protocol in zip((BEFORE, NOW), judged, strict=True)
    }
    replicates = Rows.of(part, problem).replicate(probabilities, METRICS)
    return {
        "origins": list(origins),
        "rows": len(part.table),
        "measures": {name: replicates.measures(name) for name in probabilities},
        "change": replicates.change(NOW, BEFORE),
    }


@click.command()
@click.option("--worlds", default="grocery,steady,season,drift", show_default=True, help="Which worlds.")
@click.option("--seeds", default="7,8,9,10", show_default=True, help="Seeds of each simulated shop.")
@click.option("--customers", default=2_500, show_default=True, help="Customers of each simulated shop.")
@click.option("--origins", default=5, show_default=True, help="Origins, 28 days apart.")
def main(worlds: str, seeds: str, customers: int, origins: int) -> None:
    """Compare both protocols over origins in time; writes benchmarks/origins.json."""
    progress, found = Progress(), []
    for world in worlds.split(","):
        for seed in [0] if world == GROCERY else map(int, seeds.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                make_home(Path(folder), world, customers, seed)
                found.append({"world": world, "seed": seed} | compare(Path(folder), origins))
            change = found[-1]["change"]
            progress.say(
                f"{world} {seed or ''}: ROC-AUC {change['roc_auc']['value']:+.4f}, "
                f"log-loss {change['log_loss']['value']:+.4f}"
            )
    results = {"machine": machine(), "customers": customers, "candidates": CANDIDATES, "worlds": found}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
