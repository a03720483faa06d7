"""Reads of one, a hundred and a thousand customers, the whole catalogue: our store and Feast's own, by turns.

Ours holds everybody, and is asked through Feast's API and through our reader; Feast's SQLite store, and its
Redis store where one answers, hold a part. Writes benchmarks/online.json.
Example: python -m benchmarks.online --customers 50000
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.document import write_document
from benchmarks.machine import machine
from benchmarks.materialization import churn, shop_of
from benchmarks.measure import measure
from benchmarks.online_figures import latencies, together
from benchmarks.online_page import online_section
from benchmarks.peer_store import REDIS, answers, write_part
from ml.common.errors import TidemarkError
from ml.common.paths import ROOT
from ml.common.progress import Progress
from ml.home.layout import Home

RESULTS = ROOT / "benchmarks" / "online.json"
STEP = (sys.executable, "-m", "benchmarks.online_step")
REQUESTS = {1: 2000, 100: 200, 1000: 40}


def run(
    folder: Path, customers: int, part_size: int, repeats: int, share: float, redis: str, progress: Progress
) -> dict[str, Any]:
    """Fill every store, then ask each in turn, in processes of their own."""
    home = shop_of(folder, customers, progress)
    churn(home, "materialize", "--full-refresh")
    build, part, asked = Home(home).current_build(), folder / "part", folder / "asked.json"
    asked.write_text(json.dumps(write_part(build, part_size, part)))
    peers = ["sqlite", *(["redis"] if answers(redis) else [])]
    for kind in peers:
        measure([*STEP, "fill", kind, build, part, folder / kind, "--redis", redis])
        progress.say(f"{kind} holds {part_size:,} customers")
    found: dict[str, dict[str, Any]] = {}
    for size, requests in REQUESTS.items():
        runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in (*peers, "api", "reader")}
        for _ in range(repeats):
            for kind, made in runs.items():
                words = ["read", kind, asked, size, max(int(requests * share), 10), "--home", home]
                words += ["--folder", folder / kind, "--part", part, "--redis", redis]
                _, said = measure([*STEP, *words])
                made.append(latencies(json.loads(said)["seconds"]))
        found[str(size)] = {kind: together(made) for kind, made in runs.items()}
        told = ", ".join(
            f"{kind} {each['p50_ms']:.2f}/{each['p99_ms']:.2f}" for kind, each in found[str(size)].items()
        )
        progress.say(f"{size} customers, p50/p99 in ms: {told}")
    return {"customers": customers, "customers_of_peers": part_size, "repeats": repeats, "sizes": found}


@click.command()
@click.option("--customers", default=500_000, show_default=True, help="Whom our store holds.")
@click.option(
    "--part", default=20_000, show_default=True, help="Whom Feast's own stores hold, and who are asked."
)
@click.option("--repeats", default=3, show_default=True, help="Processes for each store and size.")
@click.option("--share", default=1.0, show_default=True, help="Of the usual number of requests.")
@click.option("--redis", default=REDIS, show_default=True, help="Where Redis may answer.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; a shop there is used again.")
def main(customers: int, part: int, repeats: int, share: float, redis: str, folder: Path | None) -> None:
    """Measure reads; writes benchmarks/online.json."""
    progress = Progress()
    with tempfile.TemporaryDirectory() as spare:
        try:
            results = run(folder or Path(spare), customers, part, repeats, share, redis, progress)
        except TidemarkError as error:
            raise click.ClickException(str(error)) from error
    RESULTS.write_text(json.dumps({"machine": machine()} | results, indent=1) + "\n")
    write_document()
    progress.say(online_section(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
