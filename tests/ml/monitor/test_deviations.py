"""Deviations from the weeks before, worked out by hand."""

import numpy as np
import pytest

from ml.monitor.deviations import baselines, deviations, histogram_deviations, jensen_shannon

VALUES = np.array([1.0, 2, 3, 10, 5, 6])


def test_a_baseline_is_the_mean_of_the_weeks_just_before() -> None:
    np.testing.assert_array_equal(baselines(VALUES, 1, 2), [np.nan, np.nan, 1.5, 2.5, 6.5, 7.5])
    np.testing.assert_array_equal(baselines(VALUES, 3, 2), [np.nan, np.nan, np.nan, np.nan, 1.5, 2.5])


def test_deviations_of_each_side() -> None:
    np.testing.assert_array_equal(deviations(VALUES, 1, 2)[2:], [1.5, 7.5, 1.5, 1.5])
    np.testing.assert_array_equal(deviations(VALUES, 1, 2, "up")[2:], [1.5, 7.5, 0, 0])
    np.testing.assert_array_equal(deviations(VALUES, 1, 2, "down")[2:], [0, 0, 1.5, 1.5])


def test_a_trend_moves_every_deviation_alike() -> None:
    assert set(deviations(np.arange(20.0), 1, 3)[3:]) == {2.0}


def test_a_missing_week_leaves_those_that_need_it_unknown() -> None:
    values = np.array([1.0, np.nan, 1, 1, 1])
    assert np.isnan(deviations(values, 1, 2)).tolist() == [True, True, True, True, False]


def test_jensen_shannon_of_known_histograms() -> None:
    """Nothing in common is 1; halves against one whole: 1/2 (log2(4/3) + 1/2 log2(2/3) + 1/2 log2(2))."""
    one, other = (
        np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]]),
        np.array([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]),
    )
    by_hand = np.sqrt(0.5 * (np.log2(4 / 3) + 0.5 * np.log2(2 / 3) + 0.5 * np.log2(2)))
    np.testing.assert_allclose(jensen_shannon(one, other), [1.0, 0.0, by_hand])


def test_histograms_are_compared_with_the_mean_of_their_baseline() -> None:
    shares = np.array([[1.0, 0], [0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    found = histogram_deviations(shares, 1, 2)
    assert np.isnan(found[:2]).all()
    assert found[2] == pytest.approx(0.0, abs=1e-9)
    assert found[3] == pytest.approx(jensen_shannon(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]))[0])
