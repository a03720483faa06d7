"""Every feature, cell by cell, against a brute force over the raw rows that knows nothing of deltas."""

from datetime import timedelta

import duckdb
import pytest

from tests.reference.brute_force import reference_features
from tests.reference.compare import KEYS, compare
from tests.reference.entity_rows import asked_rows
from tests.reference.labels import data_clock, orders_delivered_until, reference_labels, reference_values
from tests.worlds import Built, declared_windows


def assert_equal_cells(made: Built, random_rows: int, edges: int, at_least: int) -> None:
    asked = asked_rows(made.raw, random_rows, seed=3, max_edges=edges)
    assert asked.num_rows >= at_least
    expected = reference_features(made.raw, asked, windows=declared_windows())
    found = made.features(asked)
    features = set(found.column_names) - set(KEYS)
    assert features == set(expected.column_names) - set(KEYS), "a feature without a reference, or the reverse"
    comparison = compare(expected, found)
    assert comparison.differences == []
    assert comparison.cells == asked.num_rows * len(features)


def labels_of(made: Built, table: str = "label_customer_churn") -> set[tuple]:
    files = made.build / "labels" / table / "*.parquet"
    return set(duckdb.sql(f"select customer_id, event_timestamp, label from '{files}'").fetchall())


def test_shop(shop: Built) -> None:
    assert_equal_cells(shop, random_rows=1500, edges=4500, at_least=5000)


def test_random_world(world: Built) -> None:
    assert_equal_cells(world, random_rows=1500, edges=6000, at_least=6000)


def test_complete_journey(grocery: Built) -> None:
    assert_equal_cells(grocery, random_rows=700, edges=1500, at_least=2000)


@pytest.mark.parametrize("name", ["shop", "world", "grocery", "ended"])
def test_labels(name: str, request: pytest.FixtureRequest) -> None:
    made: Built = request.getfixturevalue(name)
    clock = data_clock(made.raw)
    settled = orders_delivered_until(made.raw, clock) - timedelta(days=30)
    expected = {row for row in reference_labels(made.raw, clock) if row[1] <= settled}
    assert len(expected) > 1000
    assert labels_of(made) == expected
    values = {row for row in reference_values(made.raw, clock) if row[1] <= settled}
    assert len(values) == len(expected)
    assert labels_of(made, "label_customer_value") == values
