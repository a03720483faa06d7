"""One load built on DuckDB and on Spark, in scratch folders; each model's rows on either engine."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ml.common.errors import BuildError, NotReadyError
from ml.common.progress import Progress
from ml.common.sql import parquet
from ml.config.problem import LabelTerms
from ml.warehouse.compiled_models import Model, Models, read_models
from ml.warehouse.dbt import run_dbt, variables

JAVA_MIN = 17  # what Spark 4 runs on
JAVA_VERSION = re.compile(r'version "(\d+)')
# The data tests that name the columns in which no two rows agree.
KEY_TESTS = ("one_row_per", "strictly_increasing")


def check_spark() -> None:
    """Raise a NotReadyError unless Spark can be started here."""
    if find_spec("pyspark") is None or find_spec("dbt.adapters.spark") is None:
        raise NotReadyError(
            "Spark is not installed: in the repository 'make spark' makes .venv-spark, whose 'churn' has it; "
            "elsewhere pip install 'tidemark[spark]'"
        )
    version = java_version()
    if version is None or version < JAVA_MIN:
        there = "there is none" if version is None else f"this is Java {version}"
        raise NotReadyError(
            f"Spark needs Java {JAVA_MIN} or later, and {there}: install it, or set JAVA_HOME to its folder"
        )


def java_version() -> int | None:
    """The feature release of the Java that Spark would start; None if there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if java is None:
        return None
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = JAVA_VERSION.search(answer.stderr)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class EngineBuild:
    """All tables of one load, as one engine made them.

    Parameters
    ----------
    folder : Path
        The scratch home of the run.
    models : Models
    keys : dict
        Model -> the columns in which no two of its rows agree.
    """

    folder: Path
    models: Models
    keys: dict[str, tuple[str, ...]]

    @property
    def database(self) -> Path:
        """DuckDB's file; its tables bear the names that the models' SQL has."""
        return self.folder / "dbt" / "warehouse.duckdb"

    def spark_rows(self, model: str) -> str:
        """The files of a model that Spark made, for a ``from`` clause.

        Raises
        ------
        BuildError
            There are none.
        """
        folders = [self.folder / "dbt" / "spark" / "tables" / model]
        folders += [self.folder / "output" / layer / model for layer in ("features", "labels")]
        files = [file for folder in folders for file in sorted(folder.glob("*.parquet"))]
        if not files:
            raise BuildError(f"Spark left no file of {model} in {self.folder}")
        return parquet(files)


def build_on(
    engine: str, folder: Path, load: Path, terms: LabelTerms, project: Path, progress: Progress
) -> EngineBuild:
    """Run every model, and no data test, over ``load`` on one engine.

    Parameters
    ----------
    engine : str
        ``duckdb`` or ``spark``.
    folder : Path
        New; becomes the home of the run.
    """
    output = folder / "output"
    run_dbt(
        folder,
        load,
        output,
        variables(terms),
        progress,
        project=project,
        tests=False,
        docs=False,
        target=engine,
    )
    return EngineBuild(folder, read_models(output), keys_of(output))


def keys_of(build: Path) -> dict[str, tuple[str, ...]]:
    """The columns that identify a row, by model, as the models' own data tests state them."""
    manifest: dict[str, Any] = json.loads((build / "manifest.json").read_text(encoding="utf-8"))
    keys = {}
    for node in manifest["nodes"].values():
        test = node.get("test_metadata") or {}
        if test.get("name") in KEY_TESTS and node.get("attached_node"):
            arguments = test["kwargs"]
            owner = [arguments["owner"]] if arguments.get("owner") else []
            keys[manifest["nodes"][node["attached_node"]]["name"]] = (*arguments["columns"], *owner)
    return keys


def in_order_of_dependence(models: Models) -> Iterator[Model]:
    """The models, each after those that it reads; the same order in each run."""
    graph = {id_: sorted({*model.parents} & {*models.models}) for id_, model in sorted(models.models.items())}
    return (models.models[id_] for id_ in TopologicalSorter(graph).static_order())
