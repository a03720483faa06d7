"""How far the champion is from the true probability, shop by shop, and how sure that is.

Each shop is ingested, built and trained in a home of its own. Writes benchmarks/truth.json, which
docs/training.md shows. Example: python -m benchmarks.truth --seeds 7,8 --customers 2000
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import machine
from ml.common.array_types import Floats
from ml.common.paths import ROOT
from ml.common.progress import Progress
from ml.home.layout import Home
from ml.metrics.bootstrap import bootstrap, with_interval
from ml.metrics.measure import measure
from ml.model.model_files import TEST, read_manifest

RESULTS = ROOT / "benchmarks" / "truth.json"
TRUTH = Path("demo") / "shop" / "truth" / "true_probability.parquet"
KEYS = ["customer_id", "event_timestamp"]
AUC = "roc_auc"


def train_shop(home: Path, customers: int, seed: int) -> None:
    """A simulated shop from raw tables to a champion, by the commands themselves."""
    demo = ["ingest", "--demo", "shop", "--customers", str(customers), "--seed", str(seed)]
    for words in (demo, ["build"], ["train"]):
        subprocess.run([sys.executable, "-m", "ml", *words, "--home", str(home), "--quiet"], check=True)


def judged(home: Path) -> dict[str, Any]:
    """The champion of a home against the truth beside its data, on its test rows."""
    folder = Home.at(home).current_model()
    champion = read_manifest(folder)["champion"]
    rows = pq.read_table(folder / TEST).join(pq.read_table(home / TRUTH), KEYS, join_type="left outer")
    rows = rows.sort_by([(name, "ascending") for name in KEYS])
    return {"champion": champion, "rows": len(rows)} | distance(rows, champion)


def distance(rows: pa.Table, champion: str, seed: int = 17) -> dict[str, Any]:
    """ROC-AUC of the champion and of the truth, and the truth's lead with its interval by customer.

    Returns
    -------
    dict
        ``auc`` of both by name; ``gap`` with ``low`` and ``high``, paired replicates that draw customers;
        ``expected_gap``, in which each row counts as a churner by its true probability: what the gap is on
        average over what might have happened to the same customers.
    """
    churned = rows["churned"].to_numpy().astype(np.float64)
    given = {"model": rows[champion].to_numpy(), "truth": rows["true_probability"].to_numpy()}
    customers = np.asarray(rows["customer_id"].to_pylist(), dtype=object)
    auc = {name: float(measure(churned, each, names=(AUC,))[AUC][0]) for name, each in given.items()}
    drawn = bootstrap(churned, given, customers, seed, names=(AUC,))
    gap = with_interval(auc["truth"] - auc["model"], drawn["truth"][AUC] - drawn["model"][AUC])
    return {"auc": auc, "gap": gap, "expected_gap": expected_gap(given)}


def expected_gap(given: Mapping[str, Floats]) -> float:
    """The truth's lead where rows are shares of a churner, not one or none."""
    share = given["truth"]
    doubled = {name: np.tile(each, 2) for name, each in given.items()}
    weights = np.concatenate([share, 1 - share])[None, :]
    halves = np.repeat([1.0, 0.0], len(share))
    areas = {name: measure(halves, each, weights, names=(AUC,))[AUC][0] for name, each in doubled.items()}
    return float(areas["truth"] - areas["model"])


@click.command()
@click.option("--seeds", default="7,8,9,10,11,12", show_default=True, help="Seeds of the shops.")
@click.option("--customers", default=5_000, show_default=True, help="Customers of each.")
def main(seeds: str, customers: int) -> None:
    """Train on simulated shops and compare with their true probabilities; writes benchmarks/truth.json."""
    progress, shops = Progress(), []
    for seed in map(int, seeds.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            train_shop(Path(folder), customers, seed)
            shops.append({"seed": seed} | judged(Path(folder)))
        progress.say(f"seed {seed}: {shops[-1]['champion']}, {shops[-1]['gap']['value']:.4f} from the truth")
    results = {"machine": machine(), "customers": customers, "shops": shops}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
