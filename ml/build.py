"""Build: dbt makes and tests every feature and label beside the old ones, then readers are switched over.

The current load of raw tables comes in; a published build, which everything later reads, goes out.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.build_card import write_build_card
from ml.errors import BuildError, UsageError
from ml.home import ROOT, Home, next_name, publish
from ml.instants import format_instant, parse_instant
from ml.problem import Problem, read_problem
from ml.progress import SILENT, Progress

KEPT_BUILDS = 3
PROJECT = ROOT / "dbt_project"


def build(
    *,
    home: Home | str | None = None,
    as_of: datetime | None = None,
    problem: Problem | str | Path | None = None,
    full_refresh: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Make, test and publish features and labels.

    Parameters
    ----------
    home : Home or path, optional
        The folder of all state.
    as_of : datetime, optional
        The data clock, naive UTC; by default the largest instant at which a raw fact became known.
    problem : Problem or path, optional
        What the labels depend on; ``problem.yml`` by default.
    full_refresh : bool
        Make everything anew. Every build does so today.

    Returns
    -------
    dict
        What ``build.json`` holds: build_id, load_id, data_clock, rows per table, tests passed, seconds.

    Raises
    ------
    UsageError
        ``as_of`` is later than the data, or earlier than its first fact.
    BuildError
        A model or a data test failed; nothing was published.
    """
    home = Home.at(home)
    problem = problem if isinstance(problem, Problem) else read_problem(problem)
    with home.writing("build"):
        load = home.current_load()
        check_as_of(load, as_of)
        remove_unfinished(home.builds)
        folder = home.builds / next_name(home.builds, "build")
        started = time.monotonic()
        try:
            run_dbt(home, load, folder, variables(problem, as_of), progress)
            record = describe(home, load, folder, problem, time.monotonic() - started)
            check_not_empty(record, as_of)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        write_build_card(folder, record)
        publish(folder)
        remove_oldest(home.builds)
    return record


def check_as_of(load: Path, as_of: datetime | None) -> None:
    """An as_of must not be later than what the raw data knows."""
    clock = json.loads((load / "load.json").read_text())["data_clock"]
    if as_of is not None and clock is not None and as_of > parse_instant(clock):
        raise UsageError(
            f"--as-of {format_instant(as_of)} is later than the data clock {clock}: "
            "choose that or an earlier instant"
        )


def check_not_empty(record: dict[str, Any], as_of: datetime | None) -> None:
    """A build without a single customer helps nobody."""
    if record["rows"]["int_customers"] == 0 and as_of is not None:
        raise UsageError(
            f"--as-of {format_instant(as_of)} is earlier than the first known fact: choose a later instant"
        )


def variables(problem: Problem, as_of: datetime | None) -> dict[str, Any]:
    """dbt's variables for one build."""
    return {**problem.label_terms(), "as_of": as_of.isoformat(sep=" ") if as_of else None}


def run_dbt(home: Home, load: Path, folder: Path, values: dict[str, Any], progress: Progress) -> None:
    """Run ``dbt build`` and ``dbt docs generate`` over ``load``, Parquet files going to ``folder``."""
    target = home.dbt / "target"
    for kind in ("features", "labels"):
        (folder / kind).mkdir(parents=True)
    options = ["--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", target]
    options += ["--log-path", home.dbt / "logs", "--quiet", "--no-use-colors"]
    asked = {"options": [str(part) for part in options], "vars": json.dumps(values), "target": str(target)}
    environment = {
        **os.environ,
        "CHURN_HOME": str(home.root),
        "CHURN_RAW": str(load),
        "CHURN_OUTPUT": str(folder),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [sys.executable, "-m", "ml.dbt_process", json.dumps(asked)]
    follow(command, environment, progress)
    for name in ("manifest.json", "catalog.json", "run_results.json"):
        shutil.copyfile(target / name, folder / name)


def follow(command: list[str], environment: dict[str, str], progress: Progress) -> None:
    """Run ``command``, turn its JSON lines into a progress bar, and its failure into a BuildError."""
    last_words: deque[str] = deque(maxlen=20)
    failed: list[str] = []
    with (
        progress.bar("building", total=100) as bar,
        subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            event = read_event(line)
            if event is None:
                last_words.append(line.strip())
            elif "failed" in event:
                failed = event["failed"]
            else:
                bar.set_to(event["done"], event["total"], event["node"])
    if process.returncode != 0:
        raise BuildError(failure_sentence(failed or [word for word in last_words if word][-3:]))


def read_event(line: str) -> dict[str, Any] | None:
    """The progress event in ``line``, if it is one."""
    if not line.startswith("{"):
        return None
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def failure_sentence(failed: list[str]) -> str:
    """One sentence that names what failed."""
    named = "; ".join(failed[:5]) + (f"; and {len(failed) - 5} more" if len(failed) > 5 else "")
    return f"the build failed and nothing was published: {named}"


def describe(home: Home, load: Path, folder: Path, problem: Problem, seconds: float) -> dict[str, Any]:
    """What there is to say about a finished build."""
    import duckdb

    tables = ["int_customers", "int_cutoffs", "population_customers", "label_customer_churn"]
    tables += sorted(path.name for path in (folder / "features").iterdir())
    with duckdb.connect(str(home.dbt / "warehouse.duckdb"), read_only=True) as connection:
        rows = {table: count(connection, table) for table in tables}
        clock = connection.execute("select data_clock from int_data_clock").fetchone()
    results = json.loads((folder / "run_results.json").read_text())["results"]
    return {
        "build_id": folder.name,
        "load_id": load.name,
        "data_clock": format_instant(clock[0]) if clock and clock[0] else None,
        "problem": problem.label_terms(),
        "rows": rows,
        "tests": {"passed": sum(result["status"] == "pass" for result in results)},
        "seconds": round(seconds, 1),
    }


def count(connection: Any, table: str) -> int:
    """Rows of a table or view."""
    return connection.execute(f"select count(*) from {table}").fetchone()[0]


def remove_unfinished(builds: Path) -> None:
    """Remove what a killed build left: a build without its ``build.json`` was never published."""
    for path in builds.glob("build-[0-9]*"):
        if not (path / "build.json").exists():
            shutil.rmtree(path, ignore_errors=True)


def remove_oldest(builds: Path) -> None:
    """Keep the last few builds."""
    for path in sorted(builds.glob("build-[0-9]*"))[:-KEPT_BUILDS]:
        shutil.rmtree(path, ignore_errors=True)
