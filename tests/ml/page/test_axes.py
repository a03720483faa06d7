"""Axes: round ticks that people can read, values at their places."""

import math
from datetime import datetime

import pytest

from ml.page.axes import calendar, linear, logarithmic, shares


def values(axis: object) -> list[float]:
    return [round(value, 10) for value, _ in axis.ticks]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "ticks"),
    [
        ([0.0, 10.0], [0, 2, 4, 6, 8, 10]),
        ([0.0, 1.0], [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.0, 120.0], [0, 25, 50, 75, 100, 125]),
        ([0.811, 0.87], [0.82, 0.84, 0.86]),
        ([5.0, 5.0], [4.4, 4.6, 4.8, 5.0, 5.2, 5.4]),
    ],
)
def test_ticks_are_round_and_few(given: list[float], ticks: list[float]) -> None:
    axis = linear(given)
    assert values(axis) == ticks
    assert axis.low <= min(given) <= max(given) <= axis.high


def test_whole_numbers_have_whole_ticks() -> None:
    assert values(linear([-0.5, 3.5], low=-0.5, high=3.5, whole=True)) == [0, 1, 2, 3]


def test_nothing_and_what_is_not_finite_still_make_an_axis() -> None:
    assert linear([]).low < linear([]).high
    assert linear([math.nan, math.inf, 2.0, 4.0]).high < 10


def test_a_value_stands_at_its_share_and_never_outside() -> None:
    axis = linear([0.0, 10.0], low=0, high=10)
    assert [axis.place(value) for value in (0, 2.5, 10, 20, -5)] == [0, 25, 100, 100, 0]


def test_shares_are_said_in_percent() -> None:
    assert [text for _, text in shares().ticks] == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]


def test_logarithms_are_said_as_what_they_are_of() -> None:
    axis = logarithmic(0, 1000)
    assert [text for _, text in axis.ticks] == ["0", "1", "10", "100", "1k"]
    assert axis.place(math.log1p(0)) == 0
    assert axis.place(math.log1p(1000)) == 100


def test_a_calendar_ticks_at_months() -> None:
    axis = calendar([datetime(2024, 1, 15), datetime(2024, 4, 15)])
    assert [(round(value), text) for value, text in axis.ticks] == [
        (17, "2024-02"),
        (46, "2024-03"),
        (77, "2024-04"),
    ]
    assert axis.high == 91
    assert [text for _, text in calendar([datetime(2024, 1, 15)]).ticks] == ["2024-01-15"]
    assert len(calendar([datetime(2015, 1, 1), datetime(2024, 4, 15)]).ticks) <= 6
