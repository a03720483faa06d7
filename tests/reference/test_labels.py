"""Data clock and labels of worlds worked out by hand. 2023-01-02, a Monday, is day 1."""

import pytest

from tests.reference.by_hand import customer, day, order, session, ticket, world
from tests.reference.labels import data_clock, reference_labels
from tests.reference.worlds import write_world

CLOCKS = [
    ("registration", (), day(0)),
    ("a version of a customer", (customer(), customer(updated_at=day(3))), day(3)),
    ("a late order", (order(loaded_at=day(30)),), day(30)),
    ("a cancellation", (order(cancelled_at=day(31, 7)),), day(31, 7)),
    ("a return", (order(returned_at=day(32)),), day(32)),
    ("a resolution", (ticket(resolved_at=day(33)),), day(33)),
    ("a rating", (ticket(satisfaction_score=1, rated_at=day(34)),), day(34)),
    ("a session", (session(at=35),), day(35)),
    ("not a copy", (order(loaded_at=day(12)), order(loaded_at=day(20))), day(12)),
    ("not what was superseded", (ticket(resolved_at=day(40)), ticket(loaded_at=day(30))), day(30)),
]


@pytest.mark.parametrize(("rows", "expected"), [pytest.param(*case, id=name) for name, *case in CLOCKS])
def test_data_clock(tmp_path, rows, expected):
    assert data_clock(write_world(tmp_path, world(*rows))) == expected


def churned(folder, *rows, clock, **problem):
    """Return the cut-offs of customer "a" with their labels."""
    found = reference_labels(write_world(folder, world(*rows)), clock, **problem)
    return {cut_off: label for _, cut_off, label in found}


def test_cut_offs_are_mondays_until_the_horizon_is_known(tmp_path):
    assert churned(tmp_path, order(at=1), clock=day(45)) == {day(1): 1, day(8): 1, day(15): 1}
    assert set(churned(tmp_path, order(at=1), clock=day(45, -1))) == {day(1), day(8)}
    assert set(churned(tmp_path, order(at=1), clock=day(45), label_delay_days=1)) == {day(1), day(8)}


def test_cut_offs_are_counted_from_the_first_monday_of_1970(tmp_path):
    days_since = (day(0) - day(0).replace(year=1970, day=5)).days
    first = -days_since % 10
    assert min(churned(tmp_path, order(at=0), clock=day(60), cutoff_every_days=10)) == day(first)


def test_an_order_at_the_cut_off_is_past(tmp_path):
    assert churned(tmp_path, order(at=8), clock=day(38)) == {day(8): 1}
    late = order(ordered_at=day(8, 1))
    assert churned(tmp_path, late, clock=day(38)) == {}
    assert churned(tmp_path, order(2, 1), late, clock=day(38)) == {day(1): 0, day(8): 0}


def test_the_horizon_ends_with_its_last_instant(tmp_path):
    assert churned(tmp_path, order(at=1), order(2, 31), clock=day(31)) == {day(1): 0}
    assert churned(tmp_path, order(at=1), order(2, ordered_at=day(31, 1)), clock=day(32)) == {day(1): 1}


def test_the_population_was_active(tmp_path):
    labels = churned(tmp_path, order(at=1), clock=day(130), active_within_days=14)
    assert set(labels) == {day(1), day(8)}
    labels = churned(tmp_path, order(ordered_at=day(1, 1)), clock=day(130), active_within_days=14)
    assert set(labels) == {day(8), day(15)}


def test_the_population_is_what_was_known_then(tmp_path):
    assert set(churned(tmp_path, order(at=1, loaded_at=day(10)), clock=day(45))) == {day(15)}
    assert set(churned(tmp_path, order(at=1, cancelled_at=day(15)), clock=day(45))) == {day(1), day(8)}


def test_churn_is_what_is_known_in_the_end(tmp_path):
    rows = (order(at=1), order(2, 20, cancelled_at=day(60)))
    assert churned(tmp_path, *rows, clock=day(31)) == {day(1): 0}
    assert churned(tmp_path, *rows, clock=day(60))[day(1)] == 1
    late = (order(at=1), order(2, 20, loaded_at=day(50)))
    assert churned(tmp_path, *late, clock=day(50, -1))[day(1)] == 1
    assert churned(tmp_path, *late, clock=day(50))[day(1)] == 0
