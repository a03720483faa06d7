"""Calibration: a line or a curve, which of the two, what both must keep; bands at their edges."""

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit

from ml.common.errors import ModelError
from ml.config.problem import Bands
from ml.model.calibration import Calibration, band_of, calibrate

Bend = Callable[[np.ndarray], np.ndarray]
CHURNED = np.array([1.0, 1, 0, 1, 0, 0, 1, 0, 0, 0])
PROBABILITY = np.array([0.95, 0.9, 0.8, 0.7, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1])


def straight(true: np.ndarray) -> np.ndarray:
    return 2 * true + 1


def kinked(true: np.ndarray) -> np.ndarray:
    return np.where(true > 0, 4 * true, 0.5 * true)


def world(bend: Bend, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Churned, raw and true probability; the raw log-odds are a bend of the true ones."""
    random = np.random.default_rng(seed)
    true = random.normal(-1, 1.2, rows)
    return (random.random(rows) < expit(true)).astype(float), expit(bend(true)), expit(true)


def test_the_line_undoes_a_straight_bend() -> None:
    """Raw log-odds are twice the true ones plus one, so the line back has slope 1/2 and intercept -1/2."""
    churned, raw, _ = world(straight, 60_000)
    found = calibrate(churned, raw, "platt")
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.intercept == pytest.approx(-0.5, abs=0.03)


def test_the_curve_undoes_a_kink_that_the_line_cannot() -> None:
    churned, raw, true = world(kinked, 60_000)
    off = {
        how: np.abs(calibrate(churned, raw, how).apply(raw) - true).mean() for how in ("platt", "isotonic")
    }
    assert off["isotonic"] < 0.01
    assert off["platt"] > 2 * off["isotonic"]


@pytest.mark.parametrize(
    ("bend", "rows", "kind"),
    [
        (straight, 20_000, "platt"),
        (kinked, 20_000, "isotonic"),
        (kinked, 900, "platt"),
    ],
    ids=["a line is enough", "a curve is needed", "too few rows for a curve"],
)
def test_auto_takes_the_curve_only_where_it_is_needed_and_can_be_learned(
    bend: Bend, rows: int, kind: str
) -> None:
    churned, raw, _ = world(bend, rows)
    assert calibrate(churned, raw, "auto").kind == kind


def test_auto_leaves_all_rows_of_a_customer_out_together() -> None:
    """Twelve copies of 501 customers: left out row by row, the copies left in give the others away."""
    churned, raw, _ = world(straight, 501, seed=3)
    churned, raw, customers = np.tile(churned, 12), np.tile(raw, 12), np.tile(np.arange(501), 12)
    assert calibrate(churned, raw, "auto", customers).kind == "platt"
    assert calibrate(churned, raw, "auto").kind == "isotonic"


@pytest.mark.parametrize("how", ["platt", "isotonic"])
def test_order_and_ties_stay(how: str) -> None:
    churned, raw, _ = world(kinked, 5000)
    raw = np.round(raw, 3)
    found = calibrate(churned, raw, how).apply(np.clip(raw, 1e-6, 1 - 1e-6))
    np.testing.assert_array_equal(
        np.unique(raw, return_inverse=True)[1], np.unique(found, return_inverse=True)[1]
    )


def test_no_knot_is_ever_sure() -> None:
    """The lowest hundreds have no churner, the highest only churners."""
    raw = np.linspace(0.01, 0.99, 3000)
    churned = (raw > 0.5).astype(float)
    found = calibrate(churned, raw, "isotonic")
    assert found.kind == "isotonic"
    assert expit(found.calibrated[0]) > 1e-4
    assert expit(found.calibrated[-1]) < 1 - 1e-4


@pytest.mark.parametrize("how", ["platt", "isotonic"])
def test_a_score_is_the_same_alone_and_among_many(how: str) -> None:
    churned, raw, _ = world(kinked, 5000)
    found = calibrate(churned, raw, how)
    alone = np.concatenate([found.apply(raw[place : place + 1]) for place in range(300)])
    np.testing.assert_array_equal(found.apply(raw)[:300], alone)


@pytest.mark.parametrize("how", ["platt", "isotonic"])
def test_it_comes_back_from_json_as_it_was(how: str) -> None:
    churned, raw, _ = world(kinked, 3000)
    found = calibrate(churned, raw, how)
    assert Calibration(**json.loads(json.dumps(asdict(found)))) == found


def test_the_card_of_an_older_model_is_read() -> None:
    assert Calibration(**{"intercept": 0.0, "slope": 1.0}).apply(PROBABILITY) == pytest.approx(PROBABILITY)


@pytest.mark.parametrize("how", ["auto", "platt", "isotonic"])
@pytest.mark.parametrize("raw", [np.full(10, 0.3), 1 - PROBABILITY], ids=["constant", "upside down"])
def test_a_score_that_says_nothing_becomes_the_churn_rate(raw: np.ndarray, how: str) -> None:
    np.testing.assert_allclose(calibrate(CHURNED, raw, how).apply(raw), 0.4)


def test_no_curve_is_drawn_through_noise_that_falls() -> None:
    """A rising curve would find steps in any noise; the line falls, so the score says nothing."""
    random = np.random.default_rng(4)
    raw = random.uniform(0.1, 0.9, 3000)
    churned = (random.random(3000) < 0.35 - 0.1 * raw).astype(float)
    np.testing.assert_allclose(calibrate(churned, raw, "isotonic").apply(raw), churned.mean())


def test_one_class_cannot_be_calibrated() -> None:
    with pytest.raises(ModelError, match="only one class"):
        calibrate(np.ones(10), PROBABILITY)


def test_bands_begin_at_their_limit() -> None:
    found = band_of(np.array([0.0, 0.2999, 0.3, 0.5999, 0.6, 1.0]), Bands(0.3, 0.6))
    assert list(found) == ["low", "low", "medium", "medium", "high", "high"]


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("raw", [0.001, 0.3, 0.999])
def test_the_level_brings_equal_scores_to_the_rate(rate: float, raw: float) -> None:
    churned = (np.arange(100) < 100 * rate).astype(float)
    found = calibrate(churned, np.full(100, raw), "level")
    assert (found.kind, found.slope) == ("level", 1.0)
    assert found.apply(np.full(1, raw)) == pytest.approx(rate, abs=1e-9)


def test_the_level_keeps_the_order_and_brings_the_mean_to_the_rate() -> None:
    churned, raw, _ = world(lambda true: true + 0.7, 20_000)
    found = calibrate(churned, raw, "level")
    assert found.intercept == pytest.approx(-0.7, abs=0.05)
    assert found.apply(raw).mean() == pytest.approx(churned.mean(), abs=1e-9)
    assert np.all(np.diff(found.apply(np.sort(raw))) >= 0)


def test_without_calibration_the_raw_probability_stays() -> None:
    assert calibrate(CHURNED, PROBABILITY, "none").apply(PROBABILITY) == pytest.approx(PROBABILITY, abs=1e-12)
