"""Where a build's seconds go, by dbt's own account of it (run_results.json) and the clock on the wall."""

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

FACTS, FEATURES, LABELS, TESTS = "staging and facts", "feature tables", "labels", "tests"
REST = "dbt start-up, parsing, docs, publishing"
PARTS = (FACTS, FEATURES, LABELS, TESTS, REST)

Span = tuple[float, float, str]


def build_parts(build: Path, seconds: float) -> dict[str, float]:
    """Seconds of each part; together they are ``seconds``.

    A moment in which several nodes run is divided equally among them; a moment in which none runs belongs to
    the rest.
    """
    shares = divided(node_spans(build))
    parts = {part: round(shares[part], 2) for part in PARTS if part != REST}
    return {**parts, REST: round(seconds - sum(parts.values()), 2)}


def node_spans(build: Path) -> list[Span]:
    """Start, end and part of every model and test that ran."""
    nodes = json.loads((build / "manifest.json").read_text())["nodes"]
    results = json.loads((build / "run_results.json").read_text())["results"]
    return [
        (
            min(instant(timing["started_at"]) for timing in result["timing"]),
            max(instant(timing["completed_at"]) for timing in result["timing"]),
            part_of(result["unique_id"], nodes),
        )
        for result in results
        if result["timing"]
    ]


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def part_of(node_id: str, nodes: dict[str, Any]) -> str:
    """Which part a node belongs to."""
    if not node_id.startswith("model."):
        return TESTS
    folders = nodes[node_id]["fqn"]
    return LABELS if "labels" in folders else FEATURES if "features" in folders else FACTS


def divided(spans: list[Span]) -> dict[str, float]:
    """Seconds of each part, moments shared equally by what runs in them."""
    edges = sorted({edge for start, end, _ in spans for edge in (start, end)})
    shares = dict.fromkeys(PARTS, 0.0)
    for start, end in pairwise(edges):
        running = [part for first, last, part in spans if first <= start and end <= last]
        for part in running:
            shares[part] += (end - start) / len(running)
    return shares
