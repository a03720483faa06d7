"""docs/benchmarks.md and its plots, from the figures of every benchmark that has been run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.online_page import materialization_section, online_section
from benchmarks.online_servers_page import servers_section
from benchmarks.page import page
from benchmarks.plot import draw
from benchmarks.retrieval_page import section as retrieval_section
from benchmarks.startup_page import startup_section
from ml.common.paths import ROOT

PAGE, PLOT = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.png"
STEPS = ROOT / "benchmarks" / "results.json"
SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "retrieval": retrieval_section,
    "materialization": materialization_section,
    "online": online_section,
    "online_servers": servers_section,
    "startup": startup_section,
}
RESULTS: dict[str, Path] = {name: ROOT / "benchmarks" / f"{name}.json" for name in SECTIONS}


def write_document() -> None:
    """Write the page and the plot of the steps; a benchmark that has not been run has no section."""
    steps = json.loads(STEPS.read_text())
    told = [
        tell(json.loads(RESULTS[name].read_text()))
        for name, tell in SECTIONS.items()
        if RESULTS[name].exists()
    ]
    PAGE.write_text(page(steps, told))
    draw(steps, PLOT)
