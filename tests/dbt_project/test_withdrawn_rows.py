"""Withdrawn rows, which count for nothing from their deletion on, and order lines with their own clock."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.dbt_project.test_exact_in_time import assert_equal_cells, labels_of
from tests.reference.labels import data_clock, orders_delivered_until, reference_labels, reference_values
from tests.reference.withdrawn import withdrawn_world
from tests.reference.worlds import write_world
from tests.worlds import Built, built


@pytest.fixture(scope="module", params=["shared", 3])
def withdrawn_rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    if request.param == "shared":
        return request.getfixturevalue("withdrawn")
    folder: Path = tmp_path_factory.mktemp("withdrawn")
    write_world(folder / "raw", withdrawn_world(request.param, customers=90))
    return built(folder / "raw", folder / "home", max_rejected=0.0)


def test_features_of_a_world_with_withdrawn_rows(withdrawn_rows: Built) -> None:
    assert_equal_cells(withdrawn_rows, random_rows=1500, edges=6000, at_least=4000)


def test_labels_of_a_world_with_withdrawn_rows(withdrawn_rows: Built) -> None:
    clock = data_clock(withdrawn_rows.raw)
    settled = orders_delivered_until(withdrawn_rows.raw, clock) - timedelta(days=30)
    expected = {row for row in reference_labels(withdrawn_rows.raw, clock) if row[1] <= settled}
    assert labels_of(withdrawn_rows) == expected
    assert len(expected) > 500
    values = {row for row in reference_values(withdrawn_rows.raw, clock) if row[1] <= settled}
    assert labels_of(withdrawn_rows, "label_customer_value") == values
