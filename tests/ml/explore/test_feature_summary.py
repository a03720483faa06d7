"""One feature by hand: bins, outliers, categories, what it tells, how far two parts are apart."""

import numpy as np
import pytest

from ml.explore.feature_columns import Column
from ml.explore.feature_summary import bins_of, categories, histogram, outliers_of, shape_of, stability
from ml.metrics.single_feature_auc import rates_of_texts

STAYED, GONE = False, True


def number(values: list[float], kind: str = "number") -> Column:
    return Column("x", kind, "double", "orders", "", np.array(values, float), np.empty(0, object))


def text(values: list[str]) -> Column:
    return Column("x", "text", "varchar", "profile", "", np.empty(0), np.array(values, object))


def test_whole_numbers_have_a_bin_each() -> None:
    found = histogram(np.array([0, 0, 1, 3, 3, 3.0]), np.array([0, 0, 0, 1, 1, 0], bool))
    assert found["scale"] == "whole"
    assert found["edges"] == [-0.5, 0.5, 1.5, 2.5, 3.5]
    assert found["stayed"] == [0.5, 0.25, 0, 0.25]
    assert found["churned"] == [0, 0, 0, 1]


def test_skewed_amounts_have_steps_of_a_logarithm() -> None:
    scale, edges = bins_of(np.exp(np.linspace(0, 12, 500)) + 0.5)
    steps = np.diff(np.log1p(edges))
    assert scale == "log"
    assert np.allclose(steps, steps[0])


def test_whole_numbers_on_a_logarithm_keep_whole_bins() -> None:
    _, edges = bins_of(np.round(np.exp(np.linspace(0, 12, 500))))
    assert np.allclose(edges % 1, 0.5)


def test_zeros_that_would_dwarf_the_rest_are_told_and_left_out() -> None:
    values = np.append(np.zeros(60), np.linspace(1.5, 40, 40))
    churned = np.append(np.ones(30), np.zeros(70)).astype(bool)
    found = histogram(values, churned)
    assert found["zeros"] == {"stayed": pytest.approx(30 / 70), "churned": 1.0}
    assert found["edges"][0] > 1
    assert sum(found["stayed"]) == pytest.approx(1)
    assert sum(found["churned"]) == 0


def test_values_beyond_the_middle_are_in_the_last_bin() -> None:
    values = np.append(np.linspace(0, 1, 1000), 1e9)
    found = histogram(values, np.zeros(1001, bool))
    assert found["edges"][-1] < 2
    assert sum(found["stayed"]) == pytest.approx(1)


def test_outliers_are_beyond_the_fences() -> None:
    found = outliers_of(np.array([0.0, 10, 10, 20, 20, 20, 30, 30, 40, 100, -50]))
    assert found == {"low": -20.0, "high": 60.0, "share": pytest.approx(2 / 11), "farthest": 100.0}
    assert outliers_of(np.array([0.0, 0, 0, 0, 0, 5])) is None


def test_rare_texts_are_counted_together() -> None:
    labels = np.array(["a"] * 12 + ["b"] * 6 + list("cdefghijkl"), object)
    churned = np.array([True] * 3 + [False] * 25)
    found = categories(labels, churned)
    assert [each["name"] for each in found[:2]] == ["a", "b"]
    assert found[0] == {"name": "a", "rows": 12, "share": 12 / 28, "churn_rate": 0.25}
    assert found[-1]["name"] == "(others)"
    assert sum(each["rows"] for each in found) == 28


def test_a_text_learns_its_rates_from_the_other_half_only() -> None:
    texts, half = np.array(["a", "a", "b", "b"], object), np.array([True, False, True, False])
    churned = np.array([True, False, False, True])
    assert rates_of_texts(texts, churned, half).tolist() == [1.0, 0.0]


def test_a_key_as_text_tells_nothing() -> None:
    churned, half = np.arange(400) % 2 == 0, np.arange(400) % 4 < 2
    assert shape_of(text([f"c{each}" for each in range(400)]), churned, half)["auc"] == 0.5


def test_what_a_number_tells_and_which_way() -> None:
    churned, half = np.array([STAYED, STAYED, GONE, GONE]), np.array([True, False, True, False])
    up, down = shape_of(number([1, 2, 3, 4]), churned, half), shape_of(number([4, 3, 1, 2]), churned, half)
    assert (up["auc"], up["rising"]) == (1.0, True)
    assert (down["auc"], down["rising"]) == (1.0, False)
    assert shape_of(number([1, 2, 3, 4]), np.zeros(4, bool), half)["auc"] is None


def test_nulls_infinities_and_distinct_values_are_counted() -> None:
    shape = shape_of(number([np.nan, np.inf, 1, 1]), np.array([0, 1, 0, 1], bool), np.ones(4, bool))
    assert (shape["missing"], shape["infinite"], shape["distinct"]) == (0.25, 1, 2)
    assert shape["numbers"]["maximum"] == 1


def test_the_stability_index_is_zero_for_the_same_and_large_for_another() -> None:
    before = number(list(range(1000)))
    assert stability(before, before) == 0
    assert stability(before, number([each + 900 for each in range(1000)])) > 2
    shares = np.array([[0.5, 0.5], [0.9, 0.1]])
    by_hand = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    assert stability(text(["a"] * 5 + ["b"] * 5), text(["a"] * 9 + ["b"])) == pytest.approx(by_hand)
    assert stability(before, number([])) is None


def test_a_text_never_seen_before_is_another_distribution() -> None:
    assert stability(text(["a", "b"] * 50), text(["zz"] * 100)) > 1
