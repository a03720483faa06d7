"""Medians, ratios and the page from figures whose outcome is plain to see; nothing here is timed."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.build_parts import FACTS, FEATURES, LABELS, PARTS, REST, TESTS, divided
from benchmarks.figures import STEPS
from benchmarks.page import page
from benchmarks.plot import draw


def run(seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "cpu_seconds": 2 * seconds,
        "peak_bytes": 2**30,
        "load_before": 0.5,
        **more,
    }


def shop(customers: int, build: list[float], bare: list[float]) -> dict[str, Any]:
    runs = {step: [run(4.0)] * len(build) for step in STEPS}
    runs["build"] = [run(value, parts=dict.fromkeys(PARTS, value / 5)) for value in build]
    runs["bare"] = [run(value) for value in bare]
    return {
        "customers": customers,
        "runs": runs,
        "train": run(60.0),
        "raw_rows": {"orders": customers * 8},
        "built_rows": {"int_customers": customers, "feat_customer_orders": customers * 37},
        "asked_rows": 1000,
        "features": 61,
        "scored": 10,
    }


@pytest.fixture
def results() -> dict[str, Any]:
    machine = {
        "date": "2024-06-30",
        "commit": "abc1234",
        "system": "Linux x86_64",
        "cores": 2,
        "memory_bytes": 24 * 2**30,
        "versions": {"duckdb": "1.5.5"},
        "threads": 2,
        "duckdb_memory_limit": "4GB",
    }
    shops = [shop(50_000, [20.0, 30.0, 80.0], [10.0, 10.0, 20.0]), shop(500_000, [360.0], [120.0])]
    return {"machine": machine, "shops": shops}


def test_ratio_is_the_median_over_repeats_of_pairs_and_growth_that_of_medians(
    results: dict[str, Any],
) -> None:
    text = page(results)
    assert "| build | 50,000 | 30.0 (20.0 to 80.0) | 60.0 | 1.00 GiB |" in text
    assert "| **build / bare, seconds** | **3.00** | **3.00** |" in text
    assert "| what both do / bare, seconds | 1.20 | 1.20 |" in text
    assert "| build | 12.0 | 12.0 | 1.0 |" in text
    assert "250 rows a second" in text


def test_page_says_where_we_lose(results: dict[str, Any]) -> None:
    lost = page(results).split("## Where we lose")[1]
    assert "the build takes 3.0 times as long as SQL by hand" in lost
    assert "Growth: build takes 12.0 times the seconds for 10 times the customers" in lost
    assert "Growth: ingest" not in lost
    assert "Memory," not in lost


def test_page_warns_of_a_busy_machine(results: dict[str, Any]) -> None:
    assert "provisional" not in page(results)
    results["shops"][1]["runs"]["score"][0]["load_before"] = 5.0
    assert "provisional" in page(results)


def test_plot_is_a_picture(results: dict[str, Any], tmp_path: Path) -> None:
    draw(results, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_moment_in_which_two_nodes_run_is_divided_between_them() -> None:
    spans = [(0.0, 4.0, FEATURES), (2.0, 6.0, TESTS), (8.0, 9.0, FACTS)]
    assert divided(spans) == {FACTS: 1.0, FEATURES: 3.0, LABELS: 0.0, TESTS: 3.0, REST: 0.0}
