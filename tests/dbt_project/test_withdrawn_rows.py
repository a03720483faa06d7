"""Rows with ``deleted_at``, which count for nothing from their withdrawal on, and order lines with a clock of their
own, against the brute force.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.dbt_project.test_exact_in_time import assert_equal_cells, labels_of
from tests.reference.labels import data_clock, orders_delivered_until, reference_labels
from tests.reference.withdrawn import clock_some_lines, withdraw_some
from tests.reference.worlds import random_world, write_world
from tests.worlds import Built, built


@pytest.fixture(scope="module", params=[3, 8])
def withdrawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random world of which every fifth row, or so, says that it was deleted; so do lines of orders."""
    folder: Path = tmp_path_factory.mktemp("withdrawn")
    world = withdraw_some(random_world(request.param, customers=90), seed=request.param, share=0.2)
    world = clock_some_lines(world, seed=request.param, share=0.5)
    write_world(folder / "raw", world)
    return built(folder / "raw", folder / "home", max_rejected=0.0)


def test_features_of_a_world_with_withdrawn_rows(withdrawn: Built) -> None:
    assert_equal_cells(withdrawn, random_rows=1500, edges=6000, at_least=4000)


def test_labels_of_a_world_with_withdrawn_rows(withdrawn: Built) -> None:
    clock = data_clock(withdrawn.raw)
    settled = orders_delivered_until(withdrawn.raw, clock) - timedelta(days=30)
    expected = {row for row in reference_labels(withdrawn.raw, clock) if row[1] <= settled}
    assert labels_of(withdrawn) == expected
    assert len(expected) > 500
