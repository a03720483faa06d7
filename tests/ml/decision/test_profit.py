"""Profit of lists by hand; the break-even probability is where the curve turns."""

import numpy as np
import pytest

from ml.config.problem import Costs
from ml.decision.lists import Lists
from ml.decision.profit import (
    break_even,
    gain,
    loss,
    profit_by_costs,
    profit_curve,
    profit_of,
    shortfalls,
)

COSTS = Costs(contact=1, offer=10, value_kept=200, take_up=0.3)
CHURNED = np.array([1.0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
PROBABILITY = np.array([0.9, 0.8, 0.7, 0.4, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01])


def test_a_churner_earns_and_a_stayer_costs() -> None:
    """0.3 * (200 - 10) - 1 = 56; 10 + 1 = 11; 11 / (56 + 11) = 0.164."""
    assert gain(COSTS) == pytest.approx(56)
    assert loss(COSTS) == pytest.approx(11)
    assert break_even(COSTS) == pytest.approx(11 / 67)


def test_a_free_contact_always_pays_and_a_dear_one_never() -> None:
    assert break_even(Costs(contact=0, offer=0)) == 0
    assert break_even(Costs(contact=57)) == float("inf")
    assert break_even(Costs(offer=300)) == float("inf")


def test_the_curve_by_hand() -> None:
    """Nobody; one churner; two; two and a stayer; the tie of one of each; then stayers."""
    curve = profit_curve(CHURNED, PROBABILITY, COSTS)
    worth = [0, 56, 112, 101, 146, 135, 124, 113, 102, 91]
    np.testing.assert_allclose(curve.per_customer * 10, worth)
    np.testing.assert_allclose(curve.share, [0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert curve.levels[0] == np.inf
    assert (curve.levels[curve.best], curve.per_customer[curve.best]) == (0.4, 14.6)


def test_a_list_earns_what_its_point_on_the_curve_says() -> None:
    curve = profit_curve(CHURNED, PROBABILITY, COSTS)
    for level, per_customer in zip(curve.levels, curve.per_customer, strict=True):
        assert profit_of(CHURNED, level <= PROBABILITY, COSTS) == pytest.approx(per_customer * 10)


def test_a_list_that_earns_less_than_everyone_or_no_one_is_named() -> None:
    assert shortfalls(146, 91) == []
    assert shortfalls(80, 91) == ["contacting everyone would earn more: 91 against 80"]
    assert shortfalls(-5, -91) == ["contacting no one would earn more: the list loses 5"]
    assert len(shortfalls(-5, 91)) == 2


def test_where_nothing_pays_nobody_is_contacted() -> None:
    curve = profit_curve(CHURNED, PROBABILITY, Costs(contact=60))
    assert (curve.best, curve.share[curve.best]) == (0, 0)


def test_true_probabilities_earn_most_at_the_break_even() -> None:
    random = np.random.default_rng(1)
    probability = random.beta(1, 4, 200_000)
    churned = (random.random(200_000) < probability).astype(float)
    curve = profit_curve(churned, probability, COSTS)
    assert curve.levels[curve.best] == pytest.approx(break_even(COSTS), abs=0.02)
    by_costs = profit_by_costs(Lists.of(churned, probability), COSTS)
    assert by_costs == pytest.approx(curve.per_customer.max(), rel=2e-3)


@pytest.mark.parametrize("wrong", [lambda p: p / 4, lambda p: 0.6 + 0.4 * p], ids=["too low", "too high"])
def test_wrong_probabilities_lose_money_in_the_same_order(wrong) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(1)
    probability = random.beta(1, 4, 50_000)
    churned = (random.random(50_000) < probability).astype(float)
    right = profit_by_costs(Lists.of(churned, probability), COSTS)
    assert profit_by_costs(Lists.of(churned, wrong(probability)), COSTS) < 0.8 * right
