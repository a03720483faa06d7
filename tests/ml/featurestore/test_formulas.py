"""Formulas of on-demand features: their values, and what is refused."""

import warnings

import numpy as np
import pytest

from ml.common.errors import FormulaError
from ml.featurestore.formulas import check_formulas, evaluate_all, used_names

NAN = float("nan")
NAT = "NaT"


def instants(*texts):
    return np.array(texts, dtype="datetime64[us]")


COLUMNS = {
    "spend": np.array([10.0, 0.0, 5.0, NAN, -3.0]),
    "orders": np.array([4.0, 0.0, 0.0, 2.0, 0.0]),
    "last_at": instants("2024-01-01", "2024-01-01T12:00:00", "2024-02-01T00:00:00.000001", NAT, "2024-01-01"),
    "asked_at": instants(
        "2024-01-02", "2024-01-02", "2024-02-01", "2024-02-01", "2024-01-01T00:00:00.000001"
    ),
}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("spend / orders", [2.5, NAN, NAN, NAN, NAN]),
        ("spend / (orders - 4)", [NAN, -0.0, -1.25, NAN, 0.75]),
        ("orders / (orders / 0)", [NAN] * 5),
        ("orders / (spend / orders)", [1.6, NAN, NAN, NAN, NAN]),
        ("-spend + 2 * orders - +1", [-3.0, -1.0, -6.0, NAN, 2.0]),
        ("spend * 1e308 * 10", [NAN, 0.0, NAN, NAN, NAN]),
        ("days(last_at, asked_at)", [1.0, 0.5, -1 / 86_400e6, NAN, 1 / 86_400e6]),
        ("7", [7.0] * 5),
        ("1 / 0", [NAN] * 5),
    ],
)
def test_value(formula, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = evaluate_all({"f": formula}, COLUMNS)["f"]
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, expected)


def test_one_formula_uses_another_whatever_their_order():
    formulas = {"overdue": "gap / usual", "gap": "days(last_at, asked_at)", "usual": "spend / orders"}
    values = evaluate_all(formulas, COLUMNS)
    assert list(values) == ["overdue", "gap", "usual"]
    np.testing.assert_array_equal(values["overdue"], [1 / 2.5, NAN, NAN, NAN, NAN])


def test_no_rows():
    empty = {name: values[:0] for name, values in COLUMNS.items()}
    assert evaluate_all({"f": "spend / 3", "g": "1"}, empty)["g"].shape == (0,)


def test_one_row_at_a_time_gives_the_same():
    formulas = {"a": "spend / orders", "b": "days(last_at, asked_at) / 365.25", "c": "b / (a - 1)"}
    whole = evaluate_all(formulas, COLUMNS)
    for row in range(5):
        one = evaluate_all(formulas, {name: values[row : row + 1] for name, values in COLUMNS.items()})
        for name, values in one.items():
            np.testing.assert_array_equal(values[0], whole[name][row])


def test_operands_stay_as_they_were():
    before = {name: values.copy() for name, values in COLUMNS.items()}
    evaluate_all({"f": "spend / orders", "g": "spend"}, COLUMNS)["g"][:] = 1.0
    for name, values in before.items():
        np.testing.assert_array_equal(COLUMNS[name], values)


@pytest.mark.parametrize(
    "formula",
    [
        "spend ** 2", "spend // 2", "spend if orders else 1", "spend > 1", "abs(spend)", "days(last_at)",
        "days(last_at, b=asked_at)", "days(*last_at, asked_at)", "spend.real", "spend[0]", "'text'", "True",
        "1j", "1e999", "__import__('os')", "lambda: 1", "(spend, orders)", "", "spend +", "spend; orders",
        "not spend", "~orders", "x := spend", "f'{spend}'",
    ],
)  # fmt: skip
def test_outside_the_language(formula):
    with pytest.raises(FormulaError, match="the formula of f"):
        evaluate_all({"f": formula}, COLUMNS)


def test_unknown_name_says_formula_and_feature():
    with pytest.raises(
        FormulaError, match=r"formula of f, 'spend / order', names order, which is no feature"
    ):
        evaluate_all({"f": "spend / order"}, COLUMNS)


@pytest.mark.parametrize(
    "formula", ["last_at", "last_at - asked_at", "days(spend, asked_at)", "days(1, asked_at)", "-last_at"]
)
def test_instants_and_numbers_do_not_mix(formula):
    with pytest.raises(FormulaError, match="days"):
        evaluate_all({"f": formula}, COLUMNS)


def test_a_circle_is_named():
    with pytest.raises(FormulaError, match=r"in a circle: .*a -> .*b"):
        check_formulas({"a": "b + 1", "b": "c * 2", "c": "a"}, frozenset(), frozenset())


def test_used_names():
    assert used_names("f", "days(last_at, asked_at) / (spend - 1)") == {"last_at", "asked_at", "spend"}
