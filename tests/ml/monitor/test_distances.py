"""Distances of samples by hand and by scipy; zeros and nulls are bins of their own."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from ml.monitor.distances import (
    Bins,
    Categories,
    false_discoveries,
    kolmogorov_smirnov,
    mean_shift,
    psi,
    wasserstein,
)


def test_zeros_and_nulls_are_bins_of_their_own() -> None:
    reference = np.array([np.nan, 0, 0, 1, 2, 3, 4])
    bins = Bins.of(reference, 2)
    assert bins.edges.tolist() == [2.5]
    np.testing.assert_allclose(bins.shares(reference), [1 / 7, 2 / 7, 2 / 7, 2 / 7])
    np.testing.assert_allclose(bins.shares(np.array([0.0, 0.0, np.nan, -1])), [0.25, 0.5, 0.25, 0])


def test_psi_sees_zeros_and_nulls_that_quantiles_hide() -> None:
    """Half the values become 0: 0.5 against the smallest share, and 0.05 against 0.1 in ten bins."""
    before = np.arange(1.0, 1001)
    bins = Bins.of(before)
    half = np.where(np.arange(1000) % 2, before, 0.0)
    by_hand = (0.5 - 1e-4) * np.log(0.5 / 1e-4) + 10 * (0.05 - 0.1) * np.log(0.5)
    assert psi(bins.shares(half), bins.shares(before)) == pytest.approx(by_hand, rel=1e-3)
    assert psi(bins.shares(before), bins.shares(before)) == 0.0


def test_texts_are_counted_by_category_with_null_and_others() -> None:
    categories = Categories.of(pd.Series(["a", "a", "b", None]))
    assert categories.names == (None, "a", "b", "(others)")
    np.testing.assert_allclose(categories.shares(pd.Series(["a", "c", None, None])), [0.5, 0.25, 0, 0.25])


def test_kolmogorov_smirnov_is_that_of_scipy_with_ties() -> None:
    generator = np.random.default_rng(3)
    one, other = generator.poisson(3, 300).astype(float), generator.poisson(4, 200).astype(float)
    assert kolmogorov_smirnov(one, other) == pytest.approx(ks_2samp(one, other).statistic)


def test_wasserstein_and_mean_shift_are_in_units_of_the_reference() -> None:
    """Moved by 2; the quartiles of 0 to 8 are 2 and 6, its standard deviation the root of 20/3."""
    before = np.arange(9.0)
    assert wasserstein(before + 2, before) == pytest.approx(2 / 4)
    assert mean_shift(before + 2, before) == pytest.approx(2 / np.sqrt(20 / 3))
    assert np.isnan(wasserstein(np.array([np.nan]), before))


def test_false_discoveries_by_the_example_of_the_paper() -> None:
    """Benjamini and Hochberg (1995), section 3.2: of these 15 p-values four are discoveries at 0.05."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
    ]
    listed = false_discoveries(np.array([*p, 0.7590, 1.0, np.nan]), 0.05)
    assert np.flatnonzero(listed).tolist() == [0, 1, 2, 3]
    assert not false_discoveries(np.array([np.nan]), 0.05).any()
