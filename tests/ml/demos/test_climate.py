"""Season, trend and a change of leaving in the demo shop: counts by quarter against what the rates say."""

from pathlib import Path

import numpy as np
import pytest

from ml.demos import shop_process as process
from ml.demos.climate import STEADY, YEAR, Climate
from ml.demos.columns import DAY
from ml.demos.shop import write_shop
from ml.demos.shop_process import SECOND_YEAR_US, START_US


def sessions_by_quarter(climate: Climate) -> np.ndarray:
    """Sessions of each quarter of the two years, of customers who hardly ever leave within one."""
    block = process.simulate(1, 4_000, np.random.default_rng(3), climate)
    return np.histogram(block.sessions.at - START_US, bins=8, range=(0, 8 * YEAR / 4))[0]


def test_a_steady_climate_changes_no_draw() -> None:
    usual = process.simulate(1, 300, np.random.default_rng(5))
    again = process.simulate(1, 300, np.random.default_rng(5), Climate())
    assert np.array_equal(usual.orders.at, again.orders.at)
    assert np.array_equal(usual.tickets.bad, again.tickets.bad)


def test_a_season_lifts_spring_and_lowers_autumn() -> None:
    """The mean of 1 + 0.4 sin over its upper half year is 1 + 0.8 / pi, over its lower 1 - 0.8 / pi."""
    ratio = sessions_by_quarter(Climate(season=0.4)) / sessions_by_quarter(STEADY)
    upper, lower = ratio[[0, 1, 4, 5]].mean(), ratio[[2, 3, 6, 7]].mean()
    assert upper == pytest.approx(1 + 0.8 / np.pi, abs=0.06)
    assert lower == pytest.approx(1 - 0.8 / np.pi, abs=0.06)


def test_a_trend_is_a_factor_a_year() -> None:
    ratio = sessions_by_quarter(Climate(trend=-0.4)) / sessions_by_quarter(STEADY)
    middles = (np.arange(8) + 0.5) / 4
    assert ratio == pytest.approx(np.exp(-0.4 * middles), abs=0.06)


def test_leaving_changes_with_the_second_year() -> None:
    """By hand: 10 days before the change, patience of 30 days; 20 are left, which go twice as fast."""
    climate = Climate(leaving=2.0)
    patience, until_change = np.array([30.0, 5.0, 30.0]) * DAY, np.array([10.0, 10.0, -1.0]) * DAY
    assert climate.lifetime(patience, until_change).tolist() == [20 * DAY, 5 * DAY, 15 * DAY]
    assert SECOND_YEAR_US - START_US == 365 * DAY


def test_the_truth_is_written_of_the_steady_shop_alone(tmp_path: Path) -> None:
    write_shop(tmp_path / "one" / "raw", customers=50)
    write_shop(tmp_path / "other" / "raw", customers=50, climate=Climate(season=0.2))
    assert (tmp_path / "one" / "truth" / "true_probability.parquet").exists()
    assert not (tmp_path / "other" / "truth" / "true_probability.parquet").exists()
