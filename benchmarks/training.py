"""What training costs: the boosted candidates on many rows, and the whole candidate set on fewer.

Writes benchmarks/training.json and docs/training.md. Example: python -m benchmarks.training --boosted 200000
"""

import json
import sys
from typing import Any

import click

from benchmarks.machine import machine
from benchmarks.measure import measure
from benchmarks.origins import RESULTS as ORIGINS
from benchmarks.reasons import RESULTS as REASONS
from benchmarks.training_page import page
from benchmarks.training_rows import BOOSTED, EVERY
from benchmarks.truth import RESULTS as TRUTH
from ml.common.errors import TidemarkError
from ml.common.paths import ROOT
from ml.common.progress import Progress

RESULTS = ROOT / "benchmarks" / "training.json"
PAGE = ROOT / "docs" / "training.md"
FEATURES = 45


def run(job: str, rows: int) -> dict[str, Any]:
    """One job in a process of its own: what it took, and seconds by candidate."""
    measured, said = measure([sys.executable, "-m", "benchmarks.training_rows", job, rows, FEATURES])
    return {"rows": rows, "features": FEATURES, "took": measured.as_dict(), "seconds": json.loads(said)}


def write_all(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    others = (json.loads(file.read_text()) for file in (REASONS, TRUTH, ORIGINS))
    PAGE.write_text(page(results, *others))


@click.command()
@click.option("--boosted", default=2_000_000, show_default=True, help="Rows for the boosted candidates.")
@click.option("--every", default=200_000, show_default=True, help="Rows for the whole candidate set.")
@click.option("--page-only", is_flag=True, help="Only write the page anew from benchmarks/training.json.")
def main(boosted: int, every: int, page_only: bool) -> None:
    """Measure training; writes benchmarks/training.json and docs/training.md."""
    if page_only:
        return write_all(json.loads(RESULTS.read_text()))
    progress = Progress()
    results: dict[str, Any] = {"machine": machine()}
    try:
        for job, rows in ((BOOSTED, boosted), (EVERY, every)):
            results[job] = run(job, rows)
            progress.say(f"{job}, {rows:,} rows: {results[job]['took']['seconds']:.1f} s")
    except TidemarkError as error:
        raise click.ClickException(str(error)) from error
    write_all(results)


if __name__ == "__main__":
    main()
