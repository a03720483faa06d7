"""Metrics of amounts, against scikit-learn and by hand; weights count as that many copies of a row."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_tweedie_deviance, r2_score, root_mean_squared_error

from ml.metrics.measure import measure
from ml.metrics.value_metrics import METRIC_NAMES

RANDOM = np.random.default_rng(3)
AMOUNT = np.where(RANDOM.uniform(size=300) < 0.4, 0.0, RANDOM.gamma(2.0, 50.0, 300))
PREDICTION = AMOUNT * RANDOM.uniform(0.3, 1.7, 300) + RANDOM.uniform(1, 60, 300)


def one(amount: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    return {
        name: float(values[0]) for name, values in measure(amount, prediction, names=METRIC_NAMES).items()
    }


def test_errors_are_those_of_scikit_learn() -> None:
    found = one(AMOUNT, PREDICTION)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(AMOUNT, PREDICTION))
    assert found["mae"] == pytest.approx(mean_absolute_error(AMOUNT, PREDICTION))
    assert found["r2"] == pytest.approx(r2_score(AMOUNT, PREDICTION))
    assert found["deviance"] == pytest.approx(mean_tweedie_deviance(AMOUNT, PREDICTION, power=1.5))


def test_a_prediction_of_zero_counts_as_a_thousandth_of_the_mean() -> None:
    amount = np.array([0.0, 10.0, 20.0])
    lifted = mean_tweedie_deviance(amount, [0.01, 0.01, 20.0], power=1.5)
    assert one(amount, np.array([0.0, -3.0, 20.0]))["deviance"] == pytest.approx(lifted)


def test_the_gini_index_of_a_small_case_by_hand() -> None:
    """Amounts 6, 3, 1, 0 in perfect order: shares .6, .9, 1, 1, so the area is .75 and the index .5.

    In the order 3, 6, 0, 1 the shares are .3, .9, .9, 1: area .65, index .3, and .3 / .5 = .6.
    """
    amount = np.array([6.0, 3.0, 1.0, 0.0])
    assert one(amount, amount * 7)["gini"] == pytest.approx(1)
    assert one(amount, -amount)["gini"] == pytest.approx(-1)
    assert one(amount, np.array([3.0, 4.0, 1.0, 2.0]))["gini"] == pytest.approx(0.6)
    assert one(amount, np.full(4, 5.0))["gini"] == pytest.approx(0)


def test_the_lift_of_the_top_tenth_shares_a_tie() -> None:
    amount = np.array([100.0, 0.0] + [10.0] * 18)  # mean 14; the top tenth are two rows
    first_two = np.array([3.0, 3.0] + [1.0] * 18)
    assert one(amount, first_two)["top_tenth_lift"] == pytest.approx(50 / 14)
    assert one(amount, np.full(20, 1.0))["top_tenth_lift"] == pytest.approx(1)


def test_a_weight_is_as_many_copies() -> None:
    weights = RANDOM.integers(0, 3, (2, 300)).astype(float)
    found = measure(AMOUNT, PREDICTION, weights, names=METRIC_NAMES)
    for replicate, weight in enumerate(weights):
        rows = np.repeat(np.arange(300), weight.astype(int))
        copies = one(AMOUNT[rows], PREDICTION[rows])
        for name in METRIC_NAMES:
            # the floor of the deviance is that of the rows without weights
            assert found[name][replicate] == pytest.approx(copies[name], rel=1e-9)
