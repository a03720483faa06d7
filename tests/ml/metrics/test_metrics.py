"""Metrics against hand-worked values and scikit-learn's, weights included; the bootstrap by its rule."""

from typing import get_args

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from ml.config.problem import Costs, Metric, SuccessMetric
from ml.metrics import value_metrics
from ml.metrics.bootstrap import bootstrap, customer_weights, with_interval
from ml.metrics.measure import measure
from ml.metrics.probability_metrics import METRIC_NAMES

CHURNED = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
PROBABILITY = np.array([0.9, 0.8, 0.7, 0.7, 0.7, 0.4, 0.3, 0.2, 0.1, 0.1])


def one(churned: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(churned, probability).items()}


def test_hand_worked_values() -> None:
    """4 churners, 6 others. Pairs won: 6 + (4 + 1/2) * 2 + 2 = 17 of 24."""
    measured = one(CHURNED, PROBABILITY)
    assert measured["roc_auc"] == pytest.approx(17 / 24)
    assert measured["average_precision"] == pytest.approx(1 / 4 * 1 + 2 / 4 * 3 / 5 + 1 / 4 * 4 / 8)
    assert measured["lift_at_10"] == pytest.approx(1 / 0.4)
    assert measured["precision_at_80_recall"] == pytest.approx(4 / 8)
    assert measured["profit_per_customer"] == pytest.approx((4 * 56 - 4 * 11) / 10)


def test_expected_calibration_error_by_hand() -> None:
    """Ten rows in 15 bins: each tie is a bin. The tie of three at 0.7 holds 2 churners, 0.1 too few said."""
    gaps = [0.1, 0.8, 2.1 - 2, 0.4, 0.3, 0.8, 0.2]
    assert one(CHURNED, PROBABILITY)["ece"] == pytest.approx(sum(gaps) / 10)


def test_calibration_error_is_what_the_probabilities_are_off_by() -> None:
    random = np.random.default_rng(0)
    true = random.uniform(0.1, 0.5, 200_000)
    churned = (random.random(200_000) < true).astype(float)
    assert one(churned, true)["ece"] < 0.005
    assert one(churned, true + 0.05)["ece"] == pytest.approx(0.05, abs=0.005)
    assert one(churned, 0.3 + 2 * (true - 0.3))["ece"] == pytest.approx(0.1, abs=0.005)


def test_chance_is_taken_off_a_calibration_error() -> None:
    """True probabilities are off by nothing: 4000 rows seem off by a percent, and replicates by more."""
    random = np.random.default_rng(2)
    customers = np.repeat(np.arange(500), 8)
    true = np.repeat(random.uniform(0.1, 0.5, 500), 8)
    churned = (random.random(4000) < true).astype(float)
    plain = one(churned, true)["ece"]
    drawn = bootstrap(churned, {"true": true, "off": true + 0.05}, customers, seed=1, names=["ece"])
    found = with_interval(plain, drawn["true"]["ece"], "ece")
    assert 0 <= found["low"] <= found["value"] <= found["high"]
    assert found["low"] < 0.003 < 0.01 < plain < drawn["true"]["ece"].mean()
    off = with_interval(one(churned, true + 0.05)["ece"], drawn["off"]["ece"], "ece")
    assert 0.02 < off["low"] < 0.05 < off["high"] < 0.08


def test_profit_follows_the_costs_it_is_given() -> None:
    measured = measure(CHURNED, PROBABILITY, costs=Costs(contact=0, offer=60, value_kept=200, take_up=0.5))
    assert measured["profit_per_customer"][0] == pytest.approx((3 * 70 - 2 * 60) / 10)


def test_only_the_metrics_asked_for_are_measured() -> None:
    assert list(measure(CHURNED, PROBABILITY, names=["brier"])) == ["brier"]
    drawn = bootstrap(CHURNED, {"x": PROBABILITY}, np.arange(10), seed=1, names=["roc_auc"])
    assert list(drawn["x"]) == ["roc_auc"]


def test_the_problem_may_aim_at_every_metric_there_is() -> None:
    assert set(get_args(SuccessMetric)) == {*METRIC_NAMES, *value_metrics.METRIC_NAMES}
    assert set(get_args(Metric)) <= {*METRIC_NAMES, *value_metrics.METRIC_NAMES}


def test_a_tie_at_the_top_tenth_counts_in_part() -> None:
    """All tied: any tenth holds the base rate, so the lift is 1."""
    measured = one(CHURNED, np.full(10, 0.4))
    assert measured["lift_at_10"] == pytest.approx(1)
    assert measured["roc_auc"] == pytest.approx(0.5)
    assert measured["average_precision"] == pytest.approx(0.4)


@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_weighted_metrics_are_those_of_scikit_learn(decimals: int) -> None:
    random = np.random.default_rng(decimals)
    churned = (random.random(500) < 0.3).astype(float)
    probability = np.clip(np.round(0.3 + 0.2 * churned + random.normal(0, 0.2, 500), decimals), 0.01, 0.99)
    weights = random.integers(0, 4, size=(3, 500)).astype(float)
    measured = measure(churned, probability, weights)
    for row, weight in enumerate(weights):
        given = {"sample_weight": weight}
        assert measured["roc_auc"][row] == pytest.approx(roc_auc_score(churned, probability, **given))
        expected = average_precision_score(churned, probability, **given)
        assert measured["average_precision"][row] == pytest.approx(expected)
        assert measured["log_loss"][row] == pytest.approx(log_loss(churned, probability, **given))
        assert measured["brier"][row] == pytest.approx(brier_score_loss(churned, probability, **given))
        drawn = np.repeat(np.arange(500), weight.astype(int))
        repeated = measure(churned[drawn], probability[drawn], names=["empc"])
        assert measured["empc"][row] == pytest.approx(repeated["empc"][0])


def test_a_weight_is_the_same_as_repeating_the_row() -> None:
    weights = np.array([[2.0, 0.0, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0, 0.0, 4.0]])
    repeats = weights[0].astype(int)
    weighted = measure(CHURNED, PROBABILITY, weights)
    repeated = measure(np.repeat(CHURNED, repeats), np.repeat(PROBABILITY, repeats))
    for name in METRIC_NAMES:
        assert weighted[name][0] == pytest.approx(repeated[name][0]), name


def test_rows_of_one_customer_are_drawn_together() -> None:
    customers = np.array(["a", "b", "a", "c", "c", "d", "e", "f", "g", "h"])
    ((weights,),) = customer_weights([customers], [CHURNED], seed=1, replicates=50)
    assert weights.shape == (50, 10)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 4])
    assert len({tuple(row) for row in weights}) > 40


def test_no_replicate_loses_a_class() -> None:
    churned = np.array([1.0, 0.0, 0.0])
    for (weights,) in customer_weights([np.array(["a", "b", "c"])], [churned], seed=1, replicates=60):
        assert ((weights @ churned) > 0).all()
        assert (weights @ (1 - churned) > 0).all()


def test_replicates_repeat_with_the_seed_and_pair_the_candidates() -> None:
    customers = np.array(list("abcdefghij"))
    first = bootstrap(CHURNED, {"x": PROBABILITY, "same": PROBABILITY}, customers, seed=5)
    again = bootstrap(CHURNED, {"x": PROBABILITY}, customers, seed=5)
    np.testing.assert_array_equal(first["x"]["roc_auc"], again["x"]["roc_auc"])
    np.testing.assert_array_equal(first["x"]["log_loss"], first["same"]["log_loss"])


def test_an_interval_is_the_middle_of_the_replicates() -> None:
    assert with_interval(0.5, np.arange(0, 1001) / 1000) == {"value": 0.5, "low": 0.025, "high": 0.975}
