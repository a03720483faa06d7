"""From a budget to a rule of ranks: probabilities by hand and by counting, and which weeks must page."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest

from ml.monitor.rank_rule import (
    Rule,
    count_pages,
    judge,
    rule_of,
    run_of_pages,
    units,
    weekly_rate,
    weeks_needed,
)


def test_a_budget_of_one_page_a_quarter_over_five_groups() -> None:
    """91.25 / 7 looks a quarter at each of five groups."""
    assert weekly_rate(1, 5, 7) == pytest.approx(1 / (91.25 / 7 * 5))
    assert weekly_rate(2, 5, 7) == 2 * weekly_rate(1, 5, 7)


@pytest.mark.parametrize(
    ("weeks", "kind", "allowed"),
    [
        (0, "too few weeks", 1),
        (3, "too few weeks", 1),
        (10, "twice in a row", 2),
        (99, "one week", 1),
        (199, "one week", 2),
    ],
)
def test_the_rule_follows_from_the_number_of_past_weeks(weeks: int, kind: str, allowed: int) -> None:
    """2/(11 * 12) = 0.0152 keeps a rate of 0.016, 2/(4 * 5) does not; a rate of 0.01 allows 1 week of 100."""
    rule = rule_of(weeks, 0.016 if weeks < 99 else 0.01)
    assert (rule.kind, rule.allowed) == (kind, allowed)


def test_fewest_weeks_are_those_of_two_in_a_row() -> None:
    assert weeks_needed(1 / 65) == 10
    assert rule_of(10, 1 / 65).kind == "twice in a row"
    assert rule_of(9, 1 / 65).kind == "too few weeks"
    assert rule_of(9, 1 / 65).needed == 10
    assert rule_of(49, 1 / 65, gap=5).kind == "too few weeks"
    assert rule_of(50, 1 / 65, gap=5).kind == "twice in a row"


@pytest.mark.parametrize(("rate", "kind"), [(1 / 5, "one week"), (1 / 10, "twice in a row")])
def test_exchangeable_weeks_page_at_the_exact_rate(rate: float, kind: str) -> None:
    """All orders of six weeks are as likely: the share that pages is the rule's probability."""
    weeks = 6
    pages = 0
    for order in permutations(range(1, weeks + 1)):
        verdict = judge(np.array(order, dtype=float)[:, None], weeks - 1, rate)
        assert verdict.rule.kind == kind
        pages += verdict.pages
    share = pages / factorial(weeks)
    assert share == pytest.approx(1 / 6 if kind == "one week" else 2 / (5 * 6))
    assert share <= rate


def test_the_largest_week_pages_and_its_rank_is_said() -> None:
    deviations = np.array([3.0, 1, 2, 5, 4, 1, 2, 3, 4, 6])[:, None]
    verdict = judge(deviations, 9, 0.1)
    assert verdict.rule == Rule("one week", 9, 1, 0.1)
    assert (verdict.pages, verdict.rank_p) == (True, 0.1)
    deviations[9] = 5
    assert (judge(deviations, 9, 0.1).pages, judge(deviations, 9, 0.1).rank_p) == (False, 0.2)


def test_with_too_few_weeks_nothing_pages_however_far_out() -> None:
    deviations = np.array([1.0, 1, 1, 1, 1000])[:, None]
    verdict = judge(deviations, 4, 1 / 65)
    assert not verdict.pages
    assert verdict.rule.sentence() == "does not page: 4 past weeks are too few for the budget, which needs 10"


def test_twice_in_a_row_needs_both_weeks() -> None:
    quiet = [1.0, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]
    assert not judge(np.array([*quiet, 2, 9])[:, None], 13, 1 / 65).pages
    assert not judge(np.array([*quiet, 9, 2])[:, None], 13, 1 / 65).pages
    assert judge(np.array([*quiet, 9, 9])[:, None], 13, 1 / 65).pages


def test_a_group_is_its_farthest_member_in_units_of_each() -> None:
    """The second member moves from 0.01 to 0.05; the first is large, but no larger than it is used to."""
    generator = np.random.default_rng(4)
    members = np.column_stack([generator.uniform(900, 1000, 20), generator.uniform(0.009, 0.011, 20)])
    assert not judge(members, 19, 1 / 20).pages
    members[19] = [950, 0.05]
    verdict = judge(members, 19, 1 / 20)
    assert verdict.pages
    assert int(np.argmax(verdict.strengths)) == 1


def test_weeks_left_out_and_overlapping_weeks_judge_no_other() -> None:
    deviations = np.array([1.0, 9, 1, 2, 1, 2, 1, 5])[:, None]
    assert not judge(deviations, 7, 0.15).pages
    usable = np.array([True, False, *[True] * 6])
    assert judge(deviations, 7, 0.15, usable=usable).pages
    overlapping = np.array([1.0, 2, 1, 2, 1, 2, 9, 8])[:, None]
    assert not judge(overlapping, 7, 0.15).pages
    assert judge(overlapping, 7, 0.15, gap=2).pages
    assert judge(overlapping, 7, 0.15, gap=2).rule.weeks == 6


def test_units_of_a_member_that_hardly_ever_moves() -> None:
    assert units(np.array([[0.0], [0.0], [0.0], [0.0], [5.0]])).tolist() == [1.0]
    assert units(np.array([[0.0], [0.0]])).tolist() == [1.0]
    assert units(np.array([[np.nan], [np.nan]])).tolist() == [1.0]


def test_pages_in_a_row_are_one() -> None:
    pages = np.array([True, True, False, True, False, False, True, True])
    assert (count_pages(pages), run_of_pages(pages)) == (3, 2)
    assert run_of_pages(np.array([True, True])) == 2


def test_no_change_keeps_the_budget_and_a_shift_is_found() -> None:
    """Forty years of weeks with a season and a common shock that lasts: pages near the budget."""
    from ml.monitor.deviations import deviations

    generator = np.random.default_rng(1)
    rate, looks, pages, found = weekly_rate(1, 5, 7), 0, 0, 0
    for _ in range(40):
        shocks = generator.normal(size=160)
        for week in range(1, 160):
            shocks[week] += 0.5 * shocks[week - 1]
        season = 2 * np.sin(np.arange(160) / 52.18 * 2 * np.pi)
        level = season + 0.7 * shocks + generator.normal(size=160)
        quiet = deviations(level, 1, 6)[:, None]
        verdicts = np.array([judge(quiet, week, rate).pages for week in range(108, 160)])
        looks, pages = looks + 52, pages + count_pages(verdicts)
        moved = deviations(level + 8 * (np.arange(160) >= 158), 1, 6)[:, None]
        found += judge(moved, 158, rate).pages
    assert pages / looks <= 1.3 * rate
    assert found >= 36
