"""Curves and groups by hand: six rows, three of them churners, one tie."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ml.config.problem import Costs, Problem
from ml.decision.threshold_totals import ThresholdTotals
from ml.evaluate.bootstrapped_rows import Rows
from ml.evaluate.curves import (
    MOST_POINTS,
    gain,
    group_levels,
    lift,
    points,
    precision_recall,
    profit_points,
    reliability,
    roc,
)
from ml.evaluate.segments import by_text, by_thirds, groups, months
from ml.evaluate.threshold_and_bands import confusion

PROBLEM = replace(Problem(), costs=Costs(contact=1, offer=10, value_kept=200, take_up=0.5))
CHURNED = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0])
PROBABILITY = np.array([0.9, 0.8, 0.6, 0.6, 0.6, 0.1])
LISTS = ThresholdTotals.of(CHURNED, PROBABILITY)
ROWS = Rows(CHURNED, np.arange(6), PROBLEM)


def test_curves_by_hand() -> None:
    assert roc(LISTS) == {
        "false_alarms": pytest.approx([0, 0, 1 / 3, 2 / 3, 1]),
        "recall": pytest.approx([0, 1 / 3, 1 / 3, 1, 1]),
    }
    assert precision_recall(LISTS) == {
        "recall": pytest.approx([1 / 3, 1 / 3, 1, 1]),
        "precision": pytest.approx([1, 1 / 2, 3 / 5, 1 / 2]),
    }
    assert gain(LISTS)["listed"] == pytest.approx([0, 1 / 6, 2 / 6, 5 / 6, 1])
    assert lift(LISTS)["lift"] == pytest.approx([2, 1, 6 / 5, 1])


def test_profit_by_hand() -> None:
    """A listed churner earns 94, another customer listed costs 11."""
    found = profit_points(ROWS, PROBABILITY)
    assert found["threshold"] == [0.9, 0.8, 0.6, 0.1]
    assert found["profit"] == pytest.approx([94, 83, 3 * 94 - 22, 3 * 94 - 33])
    assert all(low <= high for low, high in zip(found["low"], found["high"], strict=True))


def test_reliability_groups_are_of_about_equal_size_and_ties_stay_together() -> None:
    found = reliability(ROWS, PROBABILITY, groups=2)
    assert found["rows"] == [4, 2]
    assert found["said"] == pytest.approx([(0.1 + 3 * 0.6) / 4, 0.85])
    assert found["seen"] == pytest.approx([2 / 4, 1 / 2])


def test_no_group_is_a_handful_between_two_ties() -> None:
    """100, 3 and 100 rows in groups of about 50, then single rows: the three go with their neighbours."""
    found = group_levels(np.array([100, 3, 100, *[1] * 60]), 5)
    sizes = np.bincount(found, weights=[100, 3, 100, *[1] * 60])
    assert sizes.tolist() == [100, 103, 60]
    assert group_levels(np.ones(1000, dtype=np.intp), 15)[[0, -1]].tolist() == [0, 14]


def test_few_points_are_kept_and_both_ends_among_them() -> None:
    found = points(x=np.arange(10_000.0))["x"]
    assert (len(found), found[0], found[-1]) == (MOST_POINTS, 0, 9999)


def test_confusion_by_hand() -> None:
    assert confusion(CHURNED, PROBABILITY >= 0.6) == {
        "churned_listed": 3,
        "stayed_listed": 2,
        "churned_not_listed": 0,
        "stayed_not_listed": 1,
    }


def test_thirds_are_those_of_the_training_rows() -> None:
    """Limits 3 and 6 of 0..9; a value on a limit belongs below it; what is not known is apart."""
    cut = by_thirds(np.arange(10.0), np.array([-1.0, 3.0, 3.1, 6.0, 100.0, np.nan]))
    assert cut.codes.tolist() == [0, 0, 1, 1, 2, 3]
    assert cut.names == ["low", "middle", "high", "not known"]
    assert cut.limits == [(None, 3.0), (3.0, 6.0), (6.0, None), (None, None)]


def test_a_number_that_hardly_varies_makes_fewer_groups() -> None:
    cut = by_thirds(np.array([0.0, 0, 0, 0, 0, 5]), np.array([0.0, 5.0]))
    assert (cut.codes.tolist(), cut.names) == ([0, 1], ["low", "high", "not known"])


def test_rare_texts_are_put_together() -> None:
    values = np.array([f"city {place}" for place in range(12) for _ in range(20 - place)], dtype=object)
    cut = by_text(values)
    assert cut.names == [*(f"city {place}" for place in range(8)), "(others)"]
    assert np.bincount(cut.codes).tolist() == [20, 19, 18, 17, 16, 15, 14, 13, 12 + 11 + 10 + 9]


def test_a_groups_figures_are_those_of_its_rows() -> None:
    random = np.random.default_rng(1)
    churned = (random.random(300) < 0.4).astype(float)
    probability = np.clip(0.3 * churned + 0.5 * random.random(300), 0.01, 0.99)
    city = np.where(np.arange(300) % 3 == 0, "Oslo", "Rome").astype(object)
    rows = Rows(churned, np.arange(300) // 2, PROBLEM)
    rome, oslo = groups(rows, probability, 0.5, by_text(city))
    assert (rome["name"], rome["rows"], oslo["rows"]) == ("Rome", 200, 100)
    mine = city == "Oslo"
    assert oslo["base_rate"] == pytest.approx(churned[mine].mean())
    assert oslo["mean_probability"] == pytest.approx(probability[mine].mean())
    assert oslo["listed_share"] == pytest.approx((probability[mine] >= 0.5).mean())
    assert oslo["recall"] == pytest.approx((probability[mine & (churned == 1)] >= 0.5).mean())
    expected = Rows(churned[mine], np.flatnonzero(mine) // 2, PROBLEM).measures(probability[mine])
    assert oslo["measures"] == expected


def test_months_are_those_of_the_cut_offs() -> None:
    cutoffs = pa.chunked_array(
        [pa.array(["2024-10-28", "2024-10-31T23:59:59.999999", "2024-11-01"] * 2).cast(pa.timestamp("us"))]
    )
    found = months(ROWS, PROBABILITY, 0.5, cutoffs)
    assert [(each["name"], each["rows"], each["measures"]) for each in found] == [
        ("2024-10", 4, None),
        ("2024-11", 2, None),
    ]
