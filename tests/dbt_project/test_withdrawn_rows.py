"""Rows with ``deleted_at``, which count for nothing from their withdrawal on, against the brute force."""

from pathlib import Path

import pytest

from tests.dbt_project.test_exact_in_time import assert_equal_cells, labels_of
from tests.reference.labels import data_clock, reference_labels
from tests.reference.withdrawn import withdraw_some
from tests.reference.worlds import random_world, write_world
from tests.worlds import Built, built


@pytest.fixture(scope="module", params=[3, 8])
def withdrawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A random world of which every fifth row, or so, says that it was deleted."""
    folder: Path = tmp_path_factory.mktemp("withdrawn")
    world = withdraw_some(random_world(request.param, customers=90), seed=request.param, share=0.2)
    write_world(folder / "raw", world)
    return built(folder / "raw", folder / "home", max_rejected=0.0)


def test_features_of_a_world_with_withdrawn_rows(withdrawn: Built) -> None:
    assert_equal_cells(withdrawn, random_rows=1500, edges=6000, at_least=4000)


def test_labels_of_a_world_with_withdrawn_rows(withdrawn: Built) -> None:
    expected = reference_labels(withdrawn.raw, data_clock(withdrawn.raw))
    found = {(who, at, churned) for who, at, churned in labels_of(withdrawn)}
    last = max(at for _, at, _ in found)
    assert found == {row for row in expected if row[1] <= last}
    assert len(found) > 500
