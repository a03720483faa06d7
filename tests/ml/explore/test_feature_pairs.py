"""Features beside each other: correlations as pandas has them, families that repeat each other."""

import numpy as np
import pandas as pd

from ml.explore.feature_columns import Column
from ml.explore.feature_pairs import correlations, spearman

ROWS = 400


def column(name: str, values: np.ndarray, kind: str = "number") -> Column:
    return Column(name, kind, "double", "orders", "", values.astype(float), np.empty(0, object))


def test_correlations_are_spearmans() -> None:
    random = np.random.default_rng(1)
    base = random.normal(size=ROWS)
    numbers = np.column_stack([base, base**3 + random.normal(size=ROWS), random.integers(0, 3, ROWS)])
    wanted = pd.DataFrame(numbers).corr(method="spearman").to_numpy()
    assert np.allclose(spearman(numbers), wanted)


def test_only_rows_where_both_are_known_count() -> None:
    random = np.random.default_rng(2)
    base = random.normal(size=ROWS)
    holed = np.where(random.random(ROWS) < 0.4, np.nan, -base)
    assert spearman(np.column_stack([base, holed]))[0, 1] < -0.99
    never = np.where(np.arange(ROWS) < 10, 1.0 * np.arange(ROWS), np.nan)
    assert np.isnan(spearman(np.column_stack([base, never]))[0, 1])


def test_families_are_found_through_their_neighbours() -> None:
    random = np.random.default_rng(3)
    base, other = random.normal(size=ROWS), random.normal(size=ROWS)
    found = correlations(
        [
            column("a", base),
            column("a_squeezed", np.exp(base)),
            column("a_noisy", base + 0.05 * random.normal(size=ROWS)),
            column("alone", other),
            column("same", np.ones(ROWS)),
            column("instant", base, "instant"),
        ],
        seed=1,
    )
    assert sorted(found["names"]) == ["a", "a_noisy", "a_squeezed", "alone"]
    (family,) = found["families"]
    assert family["features"] == ["a", "a_squeezed", "a_noisy"]
    assert not family["identical"]
    assert 0.97 <= family["least"] < 1
    places = sorted(found["names"].index(name) for name in family["features"])
    assert places[2] - places[0] == 2, "alike features stand beside each other"


def test_identical_features_are_said_to_be() -> None:
    values = np.where(np.arange(ROWS) % 5 == 0, np.nan, np.arange(ROWS))
    (family,) = correlations([column("a", values), column("b", values.copy())], seed=1)["families"]
    assert family["identical"]


def test_one_number_has_no_company() -> None:
    assert correlations([column("a", np.arange(ROWS))], seed=1) == {
        "names": ["a"],
        "values": [[1.0]],
        "families": [],
    }
