"""The context of an audit check over a home; and published files changed by hand."""

import shutil
import time
from pathlib import Path
from typing import Any

import duckdb

from ml.audit.all_checks import PROJECT
from ml.audit.findings import Audit, Finding
from ml.config.problem import Problem
from ml.featurestore.catalog import read_catalog
from ml.home.build_manifest import read_build_manifest
from ml.home.layout import Home


def audit_context(home: Path, scratch: Path, **changes: Any) -> Audit:
    """An audit of the published build of ``home``, with all the time in the world."""
    house = Home.at(home)
    build = house.current_build()
    manifest = read_build_manifest(build)
    scratch.mkdir(parents=True, exist_ok=True)
    usual = {
        "home": house,
        "build": build,
        "load": house.raw / manifest["load_id"],
        "manifest": manifest,
        "catalog": read_catalog(build),
        "problem": Problem(),
        "project": PROJECT,
        "scratch": scratch,
        "seed": 0,
        "deadline": time.monotonic() + 3600,
        "seconds": 3600,
    }
    return Audit(**{**usual, **changes})


def copied(home: Path, folder: Path) -> Path:
    """The home again, to be spoiled."""
    return shutil.copytree(home, folder, symlinks=True)


def rewrite(folder: Path, select: str) -> None:
    """Replace what the Parquet files of ``folder`` hold by a query over ``rows``."""
    files = sorted(folder.glob("*.parquet"))
    with duckdb.connect() as connection:
        connection.execute(
            f"create table rows as from read_parquet('{folder}/*.parquet', union_by_name = true)"
        )
        for file in files[1:]:
            file.unlink()
        files[0].unlink()
        connection.execute(f"copy ({select}) to '{files[0]}' (format parquet)")


def breaches_of(finding: Finding) -> list[tuple[str, int]]:
    """Each breach and its count."""
    return [(breach.what, breach.count) for breach in finding.breaches]
