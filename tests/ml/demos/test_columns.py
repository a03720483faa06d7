"""Exact columns from whole numbers."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np

from ml.demos.columns import NONE, dates, decimals, identifiers, instants, names_of_codes, numbered


def test_decimals_are_exact_signed_and_nullable() -> None:
    units = np.array([1, -1, 0, 123_456_789_012_345_678, NONE])
    expected = [Decimal("0.01"), Decimal("-0.01"), Decimal("0.00"), Decimal("1234567890123456.78"), None]
    assert decimals(units).to_pylist() == expected


def test_instants_keep_the_microsecond() -> None:
    assert instants(np.array([1, NONE])).to_pylist() == [datetime(1970, 1, 1, 0, 0, 0, 1), None]
    assert dates(np.array([-1, NONE])).to_pylist() == [date(1969, 12, 31), None]


def test_names_come_from_numbers() -> None:
    parents = identifiers("C", np.array([1, 9_999_999]))
    assert parents.to_pylist() == ["C0000001", "C9999999"]
    assert numbered(parents, np.array([0, 12_345])).to_pylist() == ["C0000001-0000", "C9999999-12345"]
    assert names_of_codes(np.array([1, 0]), ("a", None)).to_pylist() == [None, "a"]
