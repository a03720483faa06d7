"""Exactly as many contacts as the capacity, by rank; ties by customer; other rules as they decide."""

from dataclasses import replace

import numpy as np
import pytest

from ml.config.problem import Problem, Threshold
from ml.decision.customers_to_contact import to_contact

GIVEN = np.array([0.2, 0.9, 0.5, 0.5, 0.5, 0.1])
CUSTOMERS = ["a", "b", "e", "d", "c", "f"]


def contacted(rule: str, capacity: int | None, threshold: float, refresh_days: int = 7) -> set[str]:
    problem = replace(Problem(), threshold=Threshold(rule), capacity=capacity, refresh_days=refresh_days)
    decided = np.array([each >= threshold for each in GIVEN])
    found = to_contact(GIVEN, CUSTOMERS, decided, problem)
    return {name for name, chosen in zip(CUSTOMERS, found, strict=True) if chosen}


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [(1, "b"), (2, "bc"), (3, "bcd"), (4, "bcde"), (5, "abcde"), (99, "abcdef")],
)
def test_as_many_as_can_be_contacted_whatever_the_threshold(capacity: int, expected: str) -> None:
    for threshold in (0.0, 0.5, 1.0):
        assert contacted("capacity", capacity, threshold) == set(expected)


def test_the_order_of_the_rows_does_not_matter() -> None:
    problem = replace(Problem(), threshold=Threshold("capacity"), capacity=3)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(6)
        names = [CUSTOMERS[place] for place in order]
        found = to_contact(GIVEN[order], names, np.zeros(6, bool), problem)
        assert {name for name, chosen in zip(names, found, strict=True) if chosen} == {"b", "c", "d"}


def test_a_scoring_every_other_week_may_use_two_weeks_contacts() -> None:
    assert contacted("capacity", 1, 0.0, refresh_days=14) == {"b", "c"}
    assert contacted("capacity", 1, 0.0, refresh_days=10) == {"b"}


def test_profit_contacts_whom_it_pays_within_the_capacity() -> None:
    assert contacted("profit", 2, 0.5) == {"b", "c"}
    assert contacted("profit", 4, 0.6) == {"b"}
    assert contacted("profit", None, 0.5) == set("bcde")


def test_other_rules_contact_whom_they_decide_on() -> None:
    assert contacted("recall_at_least", 1, 0.5) == set("bcde")
