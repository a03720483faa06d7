"""``load.json``: what a load was made from, what was read, accepted and rejected, and its data clock."""

import json
from pathlib import Path
from typing import Any

from ml.common.instants import parse_instant
from ml.common.json_files import read_json

RECORD = "load.json"
NEEDED = ("tables", "reasons", "data_clock")
Counts = dict[str, dict[str, int]]


def read_record(load: Path) -> dict[str, Any]:
    """The record of a published load.

    Raises
    ------
    DamagedError, NotReadyError
        It cannot be read, or is not there.
    """
    return read_json(load / RECORD, "churn ingest PATH", NEEDED)


def make_record(ingested: dict[str, Any], earlier: dict[str, Any] | None) -> dict[str, Any]:
    """The record of a load: ``ingested`` this time, on top of the ``earlier`` one it appends to.

    ``tables``, ``reasons`` and ``data_clock`` hold for the whole load; ``ingests`` has them for each ingest.
    """
    if not earlier:
        return {**ingested, "ingests": [ingested]}
    clocks = [clock for clock in (earlier["data_clock"], ingested["data_clock"]) if clock]
    return {
        **ingested,
        "tables": added(earlier["tables"], ingested["tables"]),
        "reasons": summed(earlier["reasons"], ingested["reasons"]),
        "data_clock": max(clocks, key=parse_instant, default=None),
        "ingests": [*earlier["ingests"], ingested],
    }


def added(some: Counts, more: Counts) -> Counts:
    """Counts of every table, taken together."""
    return {name: summed(some[name], more[name]) for name in more}


def summed(some: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """Sums by name."""
    return {name: some.get(name, 0) + more.get(name, 0) for name in {**some, **more}}


def write_record(load: Path, record: dict[str, Any]) -> None:
    """Write ``record`` into the folder of its load."""
    (load / RECORD).write_text(json.dumps(record, indent=2) + "\n")
