"""The figures in docs/monitoring.md are those that were measured."""

import json

from benchmarks.monitoring import RESULTS
from benchmarks.monitoring_faults import FAULTS
from benchmarks.monitoring_page import BEGIN, END, PAGE, figures, poisson_interval


def test_the_page_has_the_measured_figures() -> None:
    results = json.loads(RESULTS.read_text())
    assert f"{BEGIN}\n{figures(results)}\n{END}" in PAGE.read_text()
    assert [each["fault"] for each in results["faults"]] == [fault.name for fault in FAULTS]


def test_the_interval_of_a_rate_is_that_of_garwood() -> None:
    """Of ten events 4.80 to 18.39, of none 0 to 3.69."""
    low, high = poisson_interval(10, 1.0)
    assert (round(low, 2), round(high, 2)) == (4.80, 18.39)
    assert tuple(round(end, 2) for end in poisson_interval(0, 2.0)) == (0.0, 1.84)
