"""What starting costs: each command's ``--help`` beside an empty Python, and Feast imported both ways.

Writes benchmarks/startup.json. Example: python -m benchmarks.startup --repeats 3
"""

import json
import sys
from statistics import median
from typing import Any

import click

from benchmarks.document import RESULTS, write_document
from benchmarks.machine import machine
from benchmarks.measure import measure
from ml.cli import COMMANDS
from ml.common.progress import Progress

CHURN = (sys.executable, "-m", "ml")
EMPTY = "python -c pass"
STARTS: dict[str, tuple[str, ...]] = {
    EMPTY: (sys.executable, "-c", "pass"),
    "churn --help": (*CHURN, "--help"),
    **{f"churn {name} --help": (*CHURN, name, "--help") for name in COMMANDS},
    "import feast": (sys.executable, "-c", "import feast"),
    "import feature_repo, feast": (sys.executable, "-c", "import feature_repo, feast"),
}


def run(repeats: int, progress: Progress) -> dict[str, Any]:
    """Every start, by turns."""
    runs: dict[str, list[Any]] = {name: [] for name in STARTS}
    for _ in range(repeats):
        for name, command in STARTS.items():
            runs[name].append(measure(command)[0])
    for name, made in runs.items():
        progress.say(f"{name:<32}{median(one.seconds for one in made):>7.2f} s")
    return {
        name: {
            "seconds": median(one.seconds for one in made),
            "cpu_seconds": median(one.cpu_seconds for one in made),
        }
        for name, made in runs.items()
    }


@click.command()
@click.option("--repeats", default=7, show_default=True)
def main(repeats: int) -> None:
    """Measure starts; writes benchmarks/startup.json and docs/benchmarks.md."""
    starts = run(repeats, Progress())
    results = {"machine": machine(), "repeats": repeats, "starts": starts}
    RESULTS["startup"].write_text(json.dumps(results, indent=1) + "\n")
    write_document()


if __name__ == "__main__":
    main()
