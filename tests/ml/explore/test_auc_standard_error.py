"""The interval of a feature's ROC-AUC: by hand, as a bootstrap of customers gives it, and on copied rows."""

import numpy as np
import pytest

from ml.explore.auc_standard_error import interval, standard_error
from ml.metrics.bootstrap import bootstrap


def made(seed: int, customers: int = 300, rows: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of customers whose values and labels are alike from row to row; some values are equal."""
    random = np.random.default_rng(seed)
    habit = np.repeat(random.standard_normal(customers), rows)
    churned = habit + random.standard_normal(customers * rows) > 0.8
    values = np.round(habit + 0.7 * random.standard_normal(customers * rows), 1)
    return values, churned, np.repeat(np.arange(customers), rows)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_that_of_a_bootstrap_by_customer(seed: int) -> None:
    values, churned, customers = made(seed)
    drawn = bootstrap(churned.astype(float), {"x": values}, customers, seed, names=("roc_auc",))
    expected = np.std(drawn["x"]["roc_auc"], ddof=1)
    found = standard_error(values, churned, customers)
    assert found == pytest.approx(expected, rel=0.15)
    assert standard_error(values, churned, np.arange(len(values))) < 0.8 * found


def test_by_hand() -> None:
    """Gone 3 and 1, stayed 2 and 0: three of four pairs are right; each row is a customer."""
    values, churned = np.array([3.0, 1, 2, 0]), np.array([True, True, False, False])
    added = np.array([(1 - 0.75) / 2, (0.5 - 0.75) / 2, (0.5 - 0.75) / 2, (1 - 0.75) / 2])
    expected = np.sqrt((added**2).sum() * 4 / 3)
    assert standard_error(values, churned, np.arange(4)) == pytest.approx(expected)


def test_rows_that_are_copied_make_nothing_surer() -> None:
    values, churned, customers = made(4)
    once = standard_error(values, churned, customers)
    twice = standard_error(np.tile(values, 2), np.tile(churned, 2), np.tile(customers, 2))
    assert twice == pytest.approx(once)


def test_the_interval_stays_within_zero_and_one() -> None:
    assert interval(0.7, 0.05) == pytest.approx([0.602, 0.798], abs=1e-4)
    assert interval(0.99, 0.05)[1] == 1.0
