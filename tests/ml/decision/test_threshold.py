"""Every threshold rule at its edges, worked out by hand on ten customers."""

from dataclasses import replace

import numpy as np
import pytest

from ml.config.problem import Costs, Problem, Threshold
from ml.decision.threshold import choose_threshold, unmet_rule

CHURNED = np.array([1.0, 1, 0, 1, 0, 0, 1, 0, 0, 0])
PROBABILITY = np.array([0.95, 0.9, 0.8, 0.7, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1])


def chosen(rule: str, value: float | None = None, population: float | None = None, **given) -> tuple:  # type: ignore[no-untyped-def, type-arg]
    return choose_threshold(
        CHURNED, PROBABILITY, Problem(threshold=Threshold(rule, value), **given), population
    )


@pytest.mark.parametrize(
    ("rule", "value", "threshold", "met"),
    [
        ("recall_at_least", 0.5, 0.9, True),
        ("recall_at_least", 0.51, 0.7, True),
        ("recall_at_least", 0.99, 0.4, True),
        ("precision_at_least", 0.6, 0.7, True),
        ("precision_at_least", 0.99, 0.9, True),
        ("fixed", 0.33, 0.33, True),
        ("f_beta", 0.25, 0.9, True),
        ("f_beta", 1.0, 0.4, True),
        ("f_beta", 3.0, 0.4, True),
    ],
)
def test_rules_with_a_value(rule: str, value: float, threshold: float, met: bool) -> None:
    """F1 at 0.9, 0.7, 0.4: 2*2/(4+2) = 0.667, 2*3/(4+5) = 0.667, 2*4/(4+7) = 0.727."""
    assert chosen(rule, value) == (threshold, met)


def test_a_precision_out_of_reach_is_said() -> None:
    problem = Problem(threshold=Threshold("precision_at_least", 0.9))
    found = choose_threshold(np.array([0.0, 1, 0, 1]), np.array([0.9, 0.8, 0.7, 0.6]), problem)
    assert found == (0.8, False)


@pytest.mark.parametrize(
    ("capacity", "threshold", "met"),
    [(20, 0.9, True), (30, 0.8, True), (49, 0.8, True), (50, 0.7, True), (9, 0.95, False), (500, 0.1, True)],
)
def test_capacity_lists_the_longest_that_can_be_contacted(capacity: int, threshold: float, met: bool) -> None:
    """Of 100 customers a week: 49 cannot take the tie at 0.7, 9 not even the first of ten."""
    assert chosen("capacity", capacity=capacity, population=100) == (threshold, met)


def test_capacity_is_by_the_week_and_scores_by_the_refresh() -> None:
    """20 a week are 40 in the 14 days until the next scores: still short of the tie; 25 a week reach it."""
    assert chosen("capacity", capacity=20, refresh_days=14, population=100) == (0.8, True)
    assert chosen("capacity", capacity=25, refresh_days=14, population=100) == (0.7, True)


def test_profit_takes_the_list_that_earns_most() -> None:
    """Of 56 and -11: 112 at 0.9, 101 at 0.8, 146 at 0.7, 135 at 0.5, 180 at 0.4."""
    assert chosen("profit") == (0.4, True)
    assert chosen("profit", costs=Costs(offer=40)) == (0.9, True)


def test_profit_keeps_to_the_capacity() -> None:
    assert chosen("profit", capacity=60, population=100) == (0.7, True)
    assert chosen("profit", capacity=49, population=100) == (0.9, True)


def test_where_nothing_pays_nobody_is_listed() -> None:
    threshold, met = chosen("profit", costs=Costs(contact=100))
    assert not met
    assert not (threshold <= PROBABILITY).any()
    assert unmet_rule("profit") == "no threshold earns anything on the calibration rows, so no one is listed"


def test_where_the_precision_is_out_of_reach_the_nearest_threshold_is_taken_and_said() -> None:
    assert chosen("precision_at_least", 0.99) == (0.9, True)
    assert choose_threshold(
        1 - CHURNED, PROBABILITY, Problem(threshold=Threshold("precision_at_least", 0.9))
    ) == (
        0.1,
        False,
    )
    assert "the nearest one was taken" in unmet_rule("precision_at_least")


def test_other_rules_do_not_look_at_the_capacity() -> None:
    problem = Problem(capacity=1)
    assert choose_threshold(CHURNED, PROBABILITY, problem) == (0.4, True)
    with pytest.raises(ValueError, match="population"):
        choose_threshold(CHURNED, PROBABILITY, replace(problem, threshold=Threshold("capacity")))
