"""Calibration, threshold rules and bands, at their edges."""

import numpy as np
import pytest

from ml.errors import ModelError
from ml.model.calibration import band_of, calibrate, choose_threshold
from ml.problem import Bands, Threshold

CHURNED = np.array([1.0, 1, 0, 1, 0, 0, 1, 0, 0, 0])
PROBABILITY = np.array([0.95, 0.9, 0.8, 0.7, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("rule", "value", "threshold", "met"),
    [
        ("recall_at_least", 0.5, 0.9, True),
        ("recall_at_least", 0.51, 0.7, True),
        ("recall_at_least", 0.99, 0.4, True),
        ("precision_at_least", 0.6, 0.7, True),
        ("precision_at_least", 0.99, 0.9, True),
        ("fixed", 0.33, 0.33, True),
    ],
)
def test_threshold_rules(rule: str, value: float, threshold: float, met: bool) -> None:
    assert choose_threshold(CHURNED, PROBABILITY, Threshold(rule, value)) == (threshold, met)


def test_a_precision_out_of_reach_is_said() -> None:
    churned = np.array([0.0, 1, 0, 1])
    assert choose_threshold(
        churned, np.array([0.9, 0.8, 0.7, 0.6]), Threshold("precision_at_least", 0.9)
    ) == (0.8, False)


def test_calibration_undoes_a_known_bend() -> None:
    """Raw log-odds are twice the true ones plus one, so the line back has slope 1/2 and intercept -1/2."""
    random = np.random.default_rng(0)
    true = random.normal(size=60_000)
    churned = (random.random(60_000) < 1 / (1 + np.exp(-true))).astype(float)
    raw = 1 / (1 + np.exp(-(2 * true + 1)))
    found = calibrate(churned, raw)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.intercept == pytest.approx(-0.5, abs=0.03)


@pytest.mark.parametrize("raw", [np.full(10, 0.3), 1 - PROBABILITY], ids=["constant", "upside down"])
def test_a_score_that_says_nothing_becomes_the_churn_rate(raw: np.ndarray) -> None:
    np.testing.assert_allclose(calibrate(CHURNED, raw).apply(raw), 0.4)


def test_one_class_cannot_be_calibrated() -> None:
    with pytest.raises(ModelError, match="only one class"):
        calibrate(np.ones(10), PROBABILITY)


def test_bands_begin_at_their_limit() -> None:
    found = band_of(np.array([0.0, 0.2999, 0.3, 0.5999, 0.6, 1.0]), Bands(0.3, 0.6))
    assert list(found) == ["low", "low", "medium", "medium", "high", "high"]
