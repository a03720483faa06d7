"""``load.json``, the manifest of a load: sources, rows read, accepted and rejected, data clock."""

import json
from pathlib import Path
from typing import Any

from ml.common.instants import parse_instant
from ml.common.json_files import read_json

FILE = "load.json"
NEEDED = ("tables", "reasons", "data_clock")
Counts = dict[str, dict[str, int]]


def read_load_manifest(load: Path) -> dict[str, Any]:
    """The manifest of a published load.

    Raises
    ------
    DamagedError, NotReadyError
        It cannot be read, or is not there.
    """
    return read_json(load / FILE, "churn ingest PATH", NEEDED)


def make_load_manifest(ingested: dict[str, Any], earlier: dict[str, Any] | None) -> dict[str, Any]:
    """The manifest of a load: that of this ingest, added to the ``earlier`` one.

    ``tables``, ``reasons`` and ``data_clock`` are of the whole load; ``ingests`` has them for each ingest.
    """
    if not earlier:
        return {**ingested, "ingests": [ingested]}
    clocks = [clock for clock in (earlier["data_clock"], ingested["data_clock"]) if clock]
    return {
        **ingested,
        "tables": {
            name: sum_counts(earlier["tables"].get(name, {}), rows)
            for name, rows in ingested["tables"].items()
        },
        "reasons": sum_counts(earlier["reasons"], ingested["reasons"]),
        "data_clock": max(clocks, key=parse_instant, default=None),
        "ingests": [*earlier["ingests"], ingested],
    }


def sum_counts(some: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return {name: some.get(name, 0) + more.get(name, 0) for name in {**some, **more}}


def write_load_manifest(load: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest into the folder of its load."""
    (load / FILE).write_text(json.dumps(manifest, indent=2) + "\n")
