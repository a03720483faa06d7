"""The bet against the tolerated risk: how seldom it wins if nothing is wrong, how soon if something is."""

import numpy as np
import pytest

from ml.monitor.betting import log_wealth, risk_at_least


def losses(rate: float, rows: int, seed: int) -> np.ndarray:
    """Brier losses of a prediction of 0.3 for customers who churn with this rate."""
    churned = np.random.default_rng(seed).random(rows) < rate
    return (0.3 - churned) ** 2


def expected(rate: float) -> float:
    return rate * 0.49 + (1 - rate) * 0.09


def test_if_nothing_is_wrong_it_seldom_ever_wins() -> None:
    """At every one of 1,000 looks: in 200 worlds at most 5 % and a little ever reach 20."""
    limit = expected(0.3)
    won = sum(log_wealth(losses(0.3, 1000, seed), limit).max() >= np.log(20) for seed in range(200))
    assert won <= 16


def test_a_risk_that_is_higher_is_found() -> None:
    wealth = log_wealth(losses(0.45, 2000, 5), expected(0.3))
    assert wealth[-1] > np.log(20)
    assert int(np.argmax(wealth >= np.log(20))) < 600


def test_a_risk_that_is_lower_is_none() -> None:
    assert log_wealth(losses(0.2, 2000, 5), expected(0.3)).max() < np.log(20)


def test_the_first_stake_is_nothing_and_no_stake_looks_ahead() -> None:
    same, other = np.array([0.2, 0.9, 0.4, 0.1]), np.array([0.2, 0.9, 0.4, 0.9])
    first, second = log_wealth(same, 0.3), log_wealth(other, 0.3)
    assert first[0] == 0.0
    np.testing.assert_array_equal(first[:3], second[:3])
    assert first[3] < second[3]
    assert len(log_wealth(np.empty(0), 0.3)) == 0


def test_the_lower_end_of_the_risk_holds_it_and_comes_close() -> None:
    ends = [risk_at_least(losses(0.4, 1500, seed), 0.05) for seed in range(20)]
    assert max(ends) <= expected(0.4)
    assert min(ends) > expected(0.4) - 0.05
    assert risk_at_least(np.empty(0), 0.05) == pytest.approx(0.0)
