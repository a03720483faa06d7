"""Arithmetic of the online benchmarks, against values worked out by hand."""

import pytest

from benchmarks.online_figures import latencies, quantile, scaled, spread, together
from benchmarks.online_page import materialization_section, online_section

MACHINE = {
    "date": "2026-01-02",
    "commit": "abc1234",
    "cores": 2,
    "memory_bytes": 8 * 1024**3,
    "versions": {"python": "3.11"},
}


def test_quantiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [quantile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert quantile([3.0], 0.99) == 3.0
    assert quantile([1.0, 2.0], 0.5) == 1.0


def test_latencies_in_milliseconds() -> None:
    assert latencies([0.001] * 98 + [0.002, 0.5]) == {
        "requests": 100,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "worst_ms": 500.0,
    }


def test_repeats_give_medians_and_spread() -> None:
    runs = [latencies([second] * 10) for second in (0.003, 0.001, 0.002)]
    assert together(runs) == {
        "requests": 10,
        "p50_ms": 2.0,
        "p99_ms": 2.0,
        "worst_ms": 2.0,
        "least_p50_ms": 1.0,
        "most_p50_ms": 3.0,
        "least_p99_ms": 1.0,
        "most_p99_ms": 3.0,
    }
    assert spread([3.0, 1.0, 8.0]) == {"median": 3.0, "least": 1.0, "most": 8.0}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((10.0, 20.0), {"seconds": 1000.0, "linearity": 1.0}),
        ((12.0, 20.0), {"seconds": 20.0 + 8 / 5_000 * 490_000, "linearity": 20 / 12 / 2}),
        ((8.0, 20.0), {"seconds": 1000.0, "linearity": 1.25}),
    ],
)
def test_scaling_favours_whoever_was_measured_on_parts(
    seconds: tuple[float, float], expected: dict[str, float]
) -> None:
    """In proportion 20 s for 10,000 are 1,000 s for 500,000; start-up makes the straight line less."""
    assert scaled((5_000, 10_000), seconds, 500_000) == pytest.approx(expected)


def test_the_section_on_reads_says_both_ratios() -> None:
    def of(p50: float, p99: float) -> dict[str, float]:
        return {"p50_ms": p50, "p99_ms": p99}

    sizes = {
        "1": {"sqlite": of(2.0, 3.0), "api": of(0.2, 0.5), "reader": of(0.2, 0.4)},
        "1000": {"sqlite": of(100.0, 120.0), "api": of(40.0, 50.0), "reader": of(30.0, 31.0)},
    }
    page = online_section(
        {"machine": MACHINE, "customers": 500_000, "customers_of_peers": 20_000, "repeats": 3, "sizes": sizes}
    )
    assert "| 1 | Feast's SQLite store | 2.00 | 3.00 |" in page
    assert "0.25 times the median of Feast's SQLite store\n(aim kept" in page
    assert "2.5 times faster at the\nmedian (aim missed" in page


def test_the_section_on_materialization_says_what_was_scaled() -> None:
    def of(seconds: float) -> dict[str, dict[str, float]]:
        return {"seconds": spread([seconds]), "peak_bytes": spread([1024.0**3])}

    page = materialization_section(
        {
            "machine": MACHINE,
            "customers": 500_000,
            "parts": [5_000, 10_000],
            "repeats": 1,
            "whole": {"own": of(50.0), "feast": of(40.0), "sqlite 5000": of(10.0), "sqlite 10000": of(20.0)},
            "scaled": {"sqlite": scaled((5_000, 10_000), (10.0, 20.0), 500_000)},
            "increments": {"a day": of(5.0) | {"rows": 250, "rows_of_all": 1_000}},
            "day": {
                "increment": of(4.0) | {"rows": 30, "rows_of_all": 1_000},
                "everybody": of(16.0) | {"rows": 30, "rows_of_all": 1_000},
            },
        }
    )
    assert "| `churn materialize` | 500,000 | 50.0 | 50.0 to 50.0 | 10,000 | 1.00 |" in page
    assert "1,000 s, 20.0 times `churn materialize` (aim kept: at least 10), 25.0 times ours" in page
    assert "30 of 1,000 rows (3.0%) are written in 4.0 s (4.0 to 4.0), everybody's in 16.0 s" in page
    assert "| a day | 250 | 25.0% | 5.0 | 5.0 to 5.0 |" in page
