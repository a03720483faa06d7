"""Which kind of calibration is chosen, where the truth over several periods is known."""

import numpy as np
import pytest
from scipy.special import expit

from ml.model.calibration import UNCHANGED, calibrate
from ml.train.calibration_choice import Period, best_kind, calibrate_over

ROWS = 4_000


def period(seed: int, level: float, *, slope: float = 1.0) -> Period:
    """Rows whose true log-odds are ``level + slope`` times what the model says."""
    random = np.random.default_rng(seed)
    raw = random.normal(-0.5, 1.2, ROWS)
    labels = (random.random(ROWS) < expit(level + slope * raw)).astype(float)
    return Period(labels, expit(raw), np.array([f"c{number}" for number in range(ROWS)], dtype=object))


@pytest.mark.parametrize(
    ("levels", "slope", "kind"),
    [
        ((0.0, 0.0, 0.0), 1.0, "none"),
        ((0.8, 0.8, 0.8), 1.0, "level"),
        ((0.5, 0.5, 0.5), 0.4, "auto"),
        ((0.6, -0.6, 0.6), 1.0, "none"),
    ],
    ids=["true already", "one level off", "too steep", "a season that turns"],
)
def test_it_is_what_the_period_before_would_have_helped(
    levels: tuple[float, ...], slope: float, kind: str
) -> None:
    assert best_kind([period(seed, level, slope=slope) for seed, level in enumerate(levels)]) == kind


def test_a_season_does_not_move_the_level() -> None:
    """The last period is high; a line through it alone would say so of the next one, which is low."""
    periods = [period(seed, level) for seed, level in enumerate((0.6, -0.6, 0.6))]
    assert calibrate_over(periods, periods[-1], "auto") == UNCHANGED
    assert calibrate_over(periods, periods[-1], "platt").intercept == pytest.approx(0.6, abs=0.12)


def test_the_recent_rows_fit_what_is_chosen() -> None:
    """All periods are one level off, the recent one most; the shift is the recent one's."""
    periods = [period(seed, level) for seed, level in enumerate((0.8, 0.9, 1.0))]
    chosen = calibrate_over(periods, period(9, 1.1), "auto")
    assert (chosen.kind, chosen.slope) == ("level", 1.0)
    assert chosen.intercept == pytest.approx(1.1, abs=0.12)


def test_one_period_judges_nothing() -> None:
    rows = period(1, 0.6, slope=0.5)
    assert calibrate_over([rows], rows, "auto") == calibrate(rows.labels, rows.raw, "auto", rows.customers)


def test_a_customers_rows_count_once() -> None:
    """Few customers with many rows each: a gain that many independent rows would prove is none."""
    few = np.array([f"c{number % 4}" for number in range(ROWS)], dtype=object)
    periods = [period(seed, 0.06) for seed in range(2)]
    assert best_kind([period(seed, 0.3) for seed in range(2)]) == "level"
    clustered = [Period(each.labels, each.raw, few) for each in periods]
    assert best_kind(clustered) == "none"
