"""dbt as a process of its own: a load of raw tables in, Parquet files of features and labels out."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml.common.errors import BuildError
from ml.common.instants import parse_instant
from ml.common.paths import CODE, ROOT
from ml.common.progress import SILENT, Progress
from ml.config.problem import LabelTerms

PROJECT = ROOT / "dbt_project"
ARTIFACTS = ("manifest.json", "run_results.json")
CATALOG = "catalog.json"
ENGINES = ("dbt-core", "dbt-duckdb", "duckdb")
SOURCES = ("models", "macros", "tests", "dbt_project.yml")


def variables(
    terms: LabelTerms,
    *,
    as_of: datetime | None = None,
    split_at: datetime | None = None,
    only_customers: Path | None = None,
    earlier: dict[str, str | None] | None = None,
    orders_clock: str | None = None,
) -> dict[str, Any]:
    """dbt's variables for one run.

    Parameters
    ----------
    terms : LabelTerms
        Of the labels.
    as_of : datetime, optional
        Facts known later are ignored.
    split_at : datetime, optional
        Feature rows up to it go to files ``past-*``, later ones to ``to-come-*``.
    only_customers : Path, optional
        A Parquet file with the column customer_id: make only these.
    earlier : dict, optional
        ``first_known_at`` and ``data_clock`` of the previous build over all customers, ISO 8601 without a
        zone, if only some are made; ``split_at``, the instant up to which that build has their rows.
    orders_clock : str, optional
        The clock of all orders, if the load has the orders of some customers only.
    """
    clocks = {f"earlier_{name}": instant for name, instant in (earlier or {}).items()}
    return {
        **terms.churn,
        "label_terms": terms.others,
        "as_of": as_text(as_of),
        "split_at": as_text(split_at),
        "only_customers": str(only_customers) if only_customers else None,
        "orders_clock": as_text(parse_instant(orders_clock)) if orders_clock else None,
        **clocks,
    }


def as_text(instant: datetime | None) -> str | None:
    return instant.isoformat(sep=" ") if instant else None


def run_dbt(
    home: Path,
    load: Path,
    output: Path,
    values: dict[str, Any],
    progress: Progress = SILENT,
    *,
    project: Path = PROJECT,
    tests: bool = True,
    docs: bool = True,
    target: str = "duckdb",
) -> None:
    """Run ``dbt build`` over ``load``, Parquet files going to ``output``.

    Parameters
    ----------
    home : Path
        Any folder; dbt's database, target, logs and spill are made in ``dbt/`` below it.
    load : Path
        Raw tables laid out like ``raw/current``.
    output : Path
        Gets ``features/<model>/*.parquet``, ``labels/<model>/*.parquet``, ``manifest.json``,
        ``run_results.json`` and, with ``docs``, ``catalog.json``.
    values : dict
        dbt's variables.
    project : Path
        The dbt project.
    tests : bool
        Whether to run every data test.
    docs : bool
        Whether to describe the columns in ``catalog.json``.
    target : str
        The engine: a target of the project's ``profiles.yml``.

    Raises
    ------
    BuildError
        A model or a data test failed.
    """
    target_folder = home / "dbt" / "target"
    for kind in ("features", "labels"):
        (output / kind).mkdir(parents=True, exist_ok=True)
    options = ["--project-dir", project, "--profiles-dir", project, "--target", target]
    options += ["--target-path", target_folder]
    options += ["--log-path", home / "dbt" / "logs", "--quiet", "--no-use-colors"]
    arguments = {
        "options": [str(option) for option in options],
        "vars": json.dumps(values),
        "target": str(target_folder),
        "tests": tests,
        "docs": docs,
    }
    environment = {
        **os.environ,
        "CHURN_HOME": str(home),
        "CHURN_RAW": str(load),
        "CHURN_OUTPUT": str(output),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    run_with_progress(
        [sys.executable, "-m", "ml.warehouse.dbt_process", json.dumps(arguments)], environment, progress
    )
    for name in (*ARTIFACTS, *((CATALOG,) if docs else ())):
        shutil.copyfile(target_folder / name, output / name)


def run_with_progress(command: list[str], environment: dict[str, str], progress: Progress) -> None:
    """Run ``command``, turn its JSON lines into a progress bar, and its failure into a BuildError."""
    last_lines: deque[str] = deque(maxlen=20)
    failed: list[str] = []
    with (
        progress.bar("building", total=100) as bar,
        start_dbt(command, environment) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            event = read_event(line)
            if event is None:
                last_lines.append(line.strip())
            elif "failed" in event:
                failed = event["failed"]
            else:
                bar.set_to(event["done"], event["total"], event["node"])
    if process.returncode != 0:
        failed = failed or [line for line in last_lines if line][-3:]
        more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
        raise BuildError(f"the build failed and nothing was published: {'; '.join(failed[:5])}{more}")


def start_dbt(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start dbt's process; it ends when its standard input is closed."""
    return subprocess.Popen(
        command,
        env=environment,
        cwd=CODE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_event(line: str) -> dict[str, Any] | None:
    """The progress event in ``line``, if it is one."""
    if not line.startswith("{"):
        return None
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def project_hash(project: Path) -> str:
    """A hash over the files of a dbt project, and the versions of the packages that run it."""
    files = [
        file
        for source in SOURCES
        for file in sorted(
            [project / source] if (project / source).is_file() else (project / source).rglob("*")
        )
        if file.is_file()
    ]
    digest = hashlib.sha256(" ".join(version(name) for name in ENGINES).encode())
    for file in files:
        digest.update(f"{file.relative_to(project)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
