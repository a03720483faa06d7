"""What goes into a model, what stays out and why, and which prepared column comes from where."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ml.common.errors import ModelError
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
    inputs, left_out = choose_inputs(table, table.column_names, required=("year", "placed"))
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


def test_of_two_equal_columns_one_stays_the_one_that_is_needed() -> None:
    table = pa.table({"first": [1.0, 2.0, None], "second": [1, 2, None], "other": [2.0, 1.0, None]})
    inputs, left_out = choose_inputs(table, table.column_names)
    assert [each.name for each in inputs] == ["first", "other"]
    assert left_out == {"second": "the same as first in training"}
    inputs, left_out = choose_inputs(table, table.column_names, required=["second"])
    assert [each.name for each in inputs] == ["second", "other"]
    assert left_out == {"first": "the same as second in training"}


def test_texts_by_how_many_values_they_have() -> None:
    """Three values: indicators. Twenty: indicators for the linear, a rank for trees. A hundred: rates."""
    random = np.random.default_rng(0)
    places = {"few": 3, "some": 20, "many": 100}
    texts = {name: [f"v{value:03d}" for value in random.integers(0, n, 4000)] for name, n in places.items()}
    table = pa.table({"number": random.normal(size=4000), **texts})
    churned = np.array([value < "v050" for value in texts["many"]]).astype(int)
    inputs, _ = choose_inputs(table, table.column_names)
    frame = make_frame(table, inputs)
    linear, trees = for_linear(inputs).fit(frame, churned), for_trees(inputs).fit(frame, churned)
    assert sources(linear) == ["number", *["few"] * 3, *["some"] * 20, "many"]
    assert sources(trees) == ["number", *["few"] * 3, "some", "many"]
    asked = make_frame(
        pa.table(
            {"number": [0.0] * 3, "few": ["v001", "new", "v001"], "some": ["v007", "new", "v008"]}
        ).append_column("many", pa.array(["v001", "new", "v099"])),
        inputs,
    )
    found = trees.transform(asked)
    assert found.dtype == np.float32
    assert found[1, 1:4].sum() == 0
    np.testing.assert_array_equal(found[:, 4], [7, -1, 8])
    assert found[0, 5] > 0.9
    assert found[1, 5] == pytest.approx(churned.mean(), abs=1e-6)
    assert found[2, 5] < 0.1


def test_a_rate_is_learned_from_other_rows_than_its_own() -> None:
    """Texts that say nothing: a rate that knew the row's own label would tell churners from stayers."""
    random = np.random.default_rng(1)
    names = [f"v{value}" for value in random.integers(0, 1000, 3000)]
    table = pa.table({"number": random.normal(size=3000), "text": names})
    churned = random.integers(0, 2, 3000)
    inputs, _ = choose_inputs(table, table.column_names)
    prepared = for_trees(inputs).fit_transform(make_frame(table, inputs), churned)
    own = for_trees(inputs).fit(make_frame(table, inputs), churned).transform(make_frame(table, inputs))
    gap = [values[churned == 1, 1].mean() - values[churned == 0, 1].mean() for values in (prepared, own)]
    assert abs(gap[0]) < 0.03
    assert gap[1] > 0.1
