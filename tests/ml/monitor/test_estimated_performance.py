"""Expected performance under both assumptions, where each holds, and where it does not."""

import numpy as np
import pytest

from ml.metrics.probability_metrics import measure_probabilities
from ml.monitor.estimated_performance import estimated_performance, expected_auc, label_shift


def sampled(prior: float, rows: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    """Two normal classes a standard deviation apart, and calibrated probabilities for a churn rate of 0.3."""
    generator = np.random.default_rng(8)
    churned = generator.random(rows) < prior
    value = generator.normal(churned.astype(float), 1.0)
    odds = 0.3 / 0.7 * np.exp(value - 0.5)
    return churned.astype(float), odds / (1 + odds)


def test_label_shift_finds_the_new_rate() -> None:
    _, probability = sampled(0.5)
    assert probability.mean() < 0.4
    assert label_shift(probability, 0.3).mean() == pytest.approx(0.5, abs=0.01)


def test_without_a_shift_both_agree_with_what_happens() -> None:
    churned, probability = sampled(0.3)
    realised = measure_probabilities(churned, probability, names=["brier", "roc_auc"])
    for estimate in estimated_performance(probability, 0.3):
        assert estimate.rate == pytest.approx(0.3, abs=0.01)
        assert estimate.brier == pytest.approx(realised["brier"][0], abs=0.005)
        assert estimate.roc_auc == pytest.approx(realised["roc_auc"][0], abs=0.01)


def test_under_a_shift_of_labels_only_its_own_estimate_is_right() -> None:
    churned, probability = sampled(0.5)
    realised = measure_probabilities(churned, probability, names=["brier"])["brier"][0]
    covariate, label = estimated_performance(probability, 0.3)
    assert label.brier == pytest.approx(realised, abs=0.005)
    assert abs(covariate.brier - realised) > 0.02


def test_an_expected_auc_by_hand() -> None:
    """Sure outcomes are those of a plain AUC, in which a tie counts half."""
    assert expected_auc(np.array([0.2, 0.4, 0.4, 0.9]), np.array([0.0, 1.0, 0.0, 1.0])) == pytest.approx(
        3.5 / 4
    )
    assert expected_auc(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == pytest.approx(0.5)
    assert np.isnan(expected_auc(np.array([0.5]), np.array([0.0])))


def test_nothing_to_estimate() -> None:
    assert estimated_performance(np.empty(0), 0.3) == []
    assert label_shift(np.array([0.2]), 0.0).tolist() == [0.2]
