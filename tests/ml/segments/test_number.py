"""How many segments: planted groups are found again, one cloud is not cut, and pairs by hand."""

import numpy as np
import pytest

from ml.segments.number import Strength, choose_number, fit_centres, nearest, pairs_kept, strengths


def planted(groups: int, seed: int, rows: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Round groups whose middles are ten standard deviations apart."""
    generator = np.random.default_rng(seed)
    middles = np.array([[0, 0], [10, 0], [0, 10], [10, 10], [20, 5]])[:groups]
    labels = np.repeat(np.arange(groups), rows)
    return middles[labels] + generator.normal(size=(len(labels), 2)), labels


@pytest.mark.parametrize(("groups", "seed"), [(2, 1), (3, 2), (4, 3), (5, 4)])
def test_planted_groups_are_counted(groups: int, seed: int) -> None:
    points, labels = planted(groups, seed)
    measured = strengths(points, seed, segments_max=6)
    assert choose_number(measured) == groups
    positions = nearest(points, fit_centres(points, groups, seed))
    # Every planted group is one segment: as many pairs of both as there are groups.
    assert len(set(zip(labels.tolist(), positions.tolist(), strict=True))) == groups


def test_one_round_cloud_stays_whole() -> None:
    points = np.random.default_rng(5).normal(size=(600, 3))
    measured = strengths(points, 5, segments_max=4)
    assert choose_number(measured) == 1
    assert all(one.strength < 0.8 for one in measured[1:])


def test_pairs_by_hand() -> None:
    # Of the ten pairs of five rows, three are in the first three rows and one is in the last two.
    assert pairs_kept(np.array([0, 0, 0, 1, 1])) == pytest.approx(4 / 10)
    assert pairs_kept(np.array([2, 2, 2])) == 1
    assert pairs_kept(np.array([0])) == 1


def test_a_number_passes_only_with_its_standard_error() -> None:
    measured = [Strength(1, 1, 0, 0), Strength(2, 0.85, 0.02, 0.4), Strength(3, 0.81, 0.02, 0.5)]
    assert choose_number(measured) == 2
    # The number of earlier segments stays while it passes; a whole that can be parted is parted.
    measured.append(Strength(4, 0.95, 0.01, 0.5))
    assert [choose_number(measured, earlier) for earlier in (None, 1, 2, 3, 4)] == [4, 4, 2, 4, 4]


def test_few_different_customers_are_not_cut_into_many() -> None:
    points = np.repeat([[0.0], [1.0], [2.0]], 50, axis=0)
    assert [one.segments for one in strengths(points, 1)] == [1]


def test_of_two_centres_as_near_the_first_counts() -> None:
    assert nearest(np.array([[0.5], [0.6], [-3.0]]), np.array([[0.0], [1.0]])).tolist() == [0, 1, 0]
