"""Numbers as people read them."""

import doctest

import pytest

from ml.common.number_words import counted
from ml.page import number_text
from ml.page.number_text import compact, decimals, number, percent, plain


def test_the_examples_are_true() -> None:
    assert doctest.testmod(number_text).failed == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (100.0, "100"),
        (99.99, "100"),
        (-99.99, "-100"),
        (1999.6, "2,000"),
        (0.5, "0.5"),
        (0.000123456, "0.000123"),
        (float("nan"), "–"),
        (float("inf"), "infinite"),
    ],
)
def test_numbers_keep_what_matters(value: float, said: str) -> None:
    assert number(value) == said


def test_words_for_counts_shares_and_ticks() -> None:
    assert [counted(each, "row") for each in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert counted(2, "family", "families") == "2 families"
    assert [percent(0.125, 0), percent(None), decimals(None)] == ["12 %", "–", "–"]
    assert [compact(-50_000), compact(1_250_000)] == ["-50k", "1.25M"]


def test_json_has_no_nan() -> None:
    assert [plain(float("nan")), plain(float("inf")), plain(1.5)] == [None, None, 1.5]
