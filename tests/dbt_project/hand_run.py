"""dbt as a user runs it by hand: the plain program, in its project folder, with nothing around it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ml.common.paths import ROOT
from ml.ingest import ingest
from tests.reference.worlds import World, write_world
from tests.warm_dbt import run_dbt_program

FEATURES = (
    "feat_customer_engagement",
    "feat_customer_orders",
    "feat_customer_profile",
    "feat_customer_support",
)
LABELS = (
    "label_customer_churn",
    "label_pending",
    "label_customer_value",
    "label_value_pending",
    "population_customers",
)


@dataclass(frozen=True)
class Hand:
    """A raw folder, and the home it was ingested into; dbt's target lies beside them."""

    folder: Path

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def target(self) -> Path:
        return self.folder / "target"

    @property
    def output(self) -> Path:
        return self.home / "dbt" / "output"

    def dbt(
        self, *arguments: str, output: Path | None = None, forked: bool = True, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run dbt with ``arguments`` and ``variables``, Parquet files going to ``output`` if it is given.

        ``forked`` from the process of tests that has imported dbt, or as the program in the environment.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHURN_")}
        environment |= {"CHURN_HOME": str(self.home), "DBT_TARGET_PATH": str(self.target)}
        environment |= {"DBT_LOG_PATH": str(self.folder / "logs")}
        environment |= {"CHURN_OUTPUT": str(output)} if output else {}
        words, project = [*arguments, "--vars", json.dumps(variables)], ROOT / "dbt_project"
        if forked:
            return run_dbt_program(words, environment, project)
        command = [str(Path(sys.executable).with_name("dbt")), *words]
        return subprocess.run(
            command, env=environment, cwd=project, capture_output=True, text=True, check=False
        )

    def results(self) -> list[dict[str, Any]]:
        """The last run, one entry for each model and test."""
        found = json.loads((self.target / "run_results.json").read_text())["results"]
        return [each for each in found if not each["unique_id"].startswith("operation.")]

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.home / "dbt" / "warehouse.duckdb"))


def ingested(folder: Path, world: World) -> Hand:
    """``world`` as ``churn ingest`` leaves it, ready for dbt."""
    hand = Hand(folder)
    write_world(hand.raw, world)
    ingest(str(hand.raw), home=hand.home, max_rejected=0.0)
    return hand


def rows_of(output: Path, model: str) -> duckdb.DuckDBPyRelation:
    """What dbt wrote for a model, in the order of the files."""
    kind = "features" if model in FEATURES else "labels"
    return duckdb.connect().sql(f"select * from '{output / kind / model}/*.parquet'")
