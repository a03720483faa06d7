"""What goes into a model, what stays out and why, and which prepared column comes from where."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ml.errors import ModelError
from ml.model.inputs import choose_inputs, make_frame
from ml.model.preparation import for_linear, for_trees, sources

TABLE = pa.table(
    {
        "spend": pa.array(
            [Decimal("1.5000"), None, Decimal("10.0000"), Decimal("2.0000")], pa.decimal128(18, 4)
        ),
        "verified": pa.array([True, None, False, True]),
        "city": pa.array(["Oslo", None, "Bergen", "Oslo"]),
        "empty": pa.array([None] * 4, pa.float64()),
        "same": pa.array([3, 3, 3, 3]),
        "first_at": pa.array([datetime(2024, 1, 1)] * 4),
        "city_size": pa.array(["b_g", "small", "b_g", "small"]),
    }
)


def test_kinds_typical_values_and_what_stays_out() -> None:
    inputs, left_out = choose_inputs(TABLE, TABLE.column_names)
    assert [(each.name, each.kind, each.typical) for each in inputs] == [
        ("spend", "number", 2.0),
        ("verified", "flag", 1.0),
        ("city", "text", "Oslo"),
        ("city_size", "text", "b_g"),
    ]
    assert left_out == {
        "empty": "always null in training",
        "same": "always the same in training",
        "first_at": "an instant or date, whose age is a feature of its own",
    }


def test_a_null_beside_one_value_still_tells_something() -> None:
    inputs, _ = choose_inputs(pa.table({"x": pa.array([1.0, None])}), ["x"])
    assert [each.name for each in inputs] == ["x"]


def test_what_rules_read_stays_though_two_of_them_are_the_same() -> None:
    """With a year of data, the orders of a year, of a lifetime and ever placed are one and the same."""
    table = pa.table({name: [1.0, 2.0] for name in ("lifetime", "placed", "year", "other")})
    inputs, left_out = choose_inputs(table, table.column_names, needed=("year", "placed"))
    assert [each.name for each in inputs] == ["placed", "year"]
    assert left_out == dict.fromkeys(("lifetime", "other"), "the same as placed in training")


def test_an_infinite_value_names_its_feature() -> None:
    with pytest.raises(ModelError, match="feature ratio holds an infinite value"):
        choose_inputs(pa.table({"ratio": pa.array([1.0, float("inf")])}), ["ratio"])


def test_nothing_that_varies_is_an_error() -> None:
    with pytest.raises(ModelError, match="no feature varies"):
        choose_inputs(TABLE, ["empty", "same"])


def test_prepared_columns_know_their_source() -> None:
    """Numbers first, then the null indicators, then one column a text value."""
    inputs, _ = choose_inputs(TABLE, TABLE.column_names)
    frame = make_frame(TABLE, inputs)
    linear, trees = for_linear(inputs).fit(frame), for_trees(inputs).fit(frame)
    texts = ["city"] * 3 + ["city_size"] * 2
    assert sources(linear) == ["spend", "verified", "spend", "verified", *texts]
    assert sources(trees) == ["spend", "verified", *texts]
    assert linear.transform(frame).shape[1] == 9
    assert np.isfinite(linear.transform(frame)).all()


def test_an_unseen_text_is_prepared_like_a_rare_one() -> None:
    many = pa.table(
        {"n": [float(n) for n in range(300)], "city": ["Oslo"] * 150 + ["Bergen"] * 149 + ["Vik"]}
    )
    inputs, _ = choose_inputs(many, ["n", "city"])
    prepare = for_trees(inputs).fit(make_frame(many, inputs))
    assert sources(prepare) == ["n", "city", "city", "city"]
    asked = make_frame(pa.table({"n": [1.0, 1.0], "city": ["Vik", "Nowhere"]}), inputs)
    first, second = prepare.transform(asked)
    np.testing.assert_array_equal(first, second)
