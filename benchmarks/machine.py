"""What figures depend on: the machine, the versions, the settings."""

import os
import platform
import subprocess
from datetime import date
from importlib.metadata import version
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks import bare_duckdb
from ml.common.paths import ROOT

GIB = 1024**3

LIBRARIES = ("duckdb", "dbt-core", "dbt-duckdb", "feast", "pyarrow", "xgboost-cpu")


def machine() -> dict[str, Any]:
    """Date, commit, system, cores, memory, versions of the libraries, DuckDB's settings."""
    return {
        "date": date.today().isoformat(),
        "commit": commit(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "threads": threads(),
        "duckdb_memory_limit": memory(),
    }


def commit() -> str:
    """Short name of the commit that is measured, marked where files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--match", ""],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def measured_on(machine: dict[str, Any]) -> str:
    """When, at which commit and on what the figures were measured."""
    return (
        f"{machine['date']} at commit {machine['commit']}, {machine['cores']} cores, "
        f"{machine['memory_bytes'] / GIB:.0f} GiB of memory"
    )


def threads() -> int:
    """How many models dbt makes at a time."""
    return int(os.environ.get("CHURN_DBT_THREADS", bare_duckdb.THREADS))


def memory() -> str:
    """What DuckDB may hold in memory before it spills."""
    return os.environ.get("CHURN_MEMORY_LIMIT", bare_duckdb.MEMORY)
