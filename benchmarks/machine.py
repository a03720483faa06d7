"""What figures depend on: the machine, the versions, the settings."""

import os
import platform
from datetime import date
from importlib.metadata import version
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks import bare_duckdb

LIBRARIES = ("duckdb", "dbt-core", "dbt-duckdb", "feast", "pyarrow", "xgboost-cpu")


def machine() -> dict[str, Any]:
    """Date, system, cores, memory, versions of the libraries, DuckDB's settings."""
    return {
        "date": date.today().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "threads": threads(),
        "duckdb_memory_limit": memory(),
    }


def threads() -> int:
    """How many models dbt makes at a time."""
    return int(os.environ.get("CHURN_DBT_THREADS", bare_duckdb.THREADS))


def memory() -> str:
    """What DuckDB may hold in memory before it spills."""
    return os.environ.get("CHURN_MEMORY_LIMIT", bare_duckdb.MEMORY)
