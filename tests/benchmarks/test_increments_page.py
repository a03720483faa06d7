"""The page on increments from figures whose outcome is plain to see."""

from typing import Any

import pytest

from benchmarks.increments import breaches, median_of
from benchmarks.increments_page import page, ratio


def took(seconds: float) -> dict[str, Any]:
    return {"seconds": seconds, "cpu_seconds": 2 * seconds, "peak_bytes": 2**30}


@pytest.fixture
def results() -> dict[str, Any]:
    counts = {"orders": {"read": 7, "accepted": 7}}
    first = {"extract": "2024-12-02", "loaded": counts, "said": {"kind": "full"}, "took": took(8)}
    second = {
        "extract": "2024-12-09",
        "loaded": counts,
        "said": {"kind": "incremental", "touched": 3},
        "took": took(7),
        "history": {"cells": 1_234, "moved": 0},
    }
    day = {
        "customers": 500,
        "facts": {"orders": 5, "sessions": 6},
        "increment": {"took": took(14), "said": {"touched": 4}},
        "full": {"took": took(105)},
        "start_up": {"increment": took(4), "full": took(5)},
        "all_seconds": {"increment": [13, 14, 15], "full": [104, 105, 106]},
        "against_full": {"cells": 99, "differing": []},
    }
    machine = {
        "date": "2026-01-02",
        "commit": "abc1234",
        "cores": 2,
        "memory_bytes": 2**34,
        "versions": {"duckdb": "1", "dbt-core": "2"},
    }
    extracts = {"customers": 5, "steps": [first, second], "against_full": {"cells": 88, "differing": []}}
    return {"machine": machine, "extracts": extracts, "days": [day]}


def test_start_up_is_left_out_of_both(results: dict[str, Any]) -> None:
    assert ratio(results["days"][0], "seconds") == 0.1


def test_the_page_states_the_figures(results: dict[str, Any]) -> None:
    lines = page(results).splitlines()
    assert "| 2024-12-02 | 7 | everyone | full |  |  | 8.0 |" in lines
    assert "| 2024-12-09 | 7 | 3 | incremental | 1,234 | 0 | 7.0 |" in lines
    assert "| **increment / full, seconds** | **0.100** |" in lines
    assert "| all new rows | 11 |" in lines


def test_the_median_run() -> None:
    assert median_of([{"took": took(seconds)} for seconds in (9, 2, 5)])["took"]["seconds"] == 5


def test_a_difference_and_a_moved_row_are_breaches(results: dict[str, Any]) -> None:
    assert list(breaches(results)) == []
    results["days"][0]["against_full"]["differing"] = ["feat_customer_orders"]
    results["extracts"]["steps"][1]["history"]["moved"] = 2
    assert list(breaches(results)) == [
        "feat_customer_orders differs from a full build",
        "history moved with the extract of 2024-12-09",
    ]
