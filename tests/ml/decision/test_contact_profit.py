"""Profit by threshold by hand; the break-even probability is where it is greatest."""

import numpy as np
import pytest

from ml.config.problem import Costs
from ml.decision.contact_profit import (
    break_even,
    gain,
    loss,
    profit,
    profit_by_costs,
    profit_of,
    shortfalls,
)
from ml.decision.threshold_totals import ThresholdTotals

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


def test_every_threshold_by_hand() -> None:
    """One churner; two; two and a stayer; the tie of one of each; then stayers."""
    totals = ThresholdTotals.of(CHURNED, PROBABILITY)
    worth = [56, 112, 101, 146, 135, 124, 113, 102, 91]
    np.testing.assert_allclose(profit(totals.hits, totals.flagged, COSTS), worth)
    np.testing.assert_allclose(totals.share, [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert totals.thresholds[np.argmax(worth)] == 0.4


def test_contacted_customers_earn_what_their_threshold_does() -> None:
    totals = ThresholdTotals.of(CHURNED, PROBABILITY)
    for threshold, worth in zip(totals.thresholds, profit(totals.hits, totals.flagged, COSTS), strict=True):
        assert profit_of(CHURNED, threshold <= PROBABILITY, COSTS) == pytest.approx(worth)
    assert profit_of(CHURNED, np.zeros(10, bool), COSTS) == 0


def test_a_list_that_earns_less_than_everyone_or_no_one_is_named() -> None:
    assert shortfalls(146, 91) == []
    assert shortfalls(80, 91) == ["contacting everyone would earn more: 91 against 80"]
    assert shortfalls(-5, -91) == ["contacting no one would earn more: the list loses 5"]
    assert len(shortfalls(-5, 91)) == 2


def test_where_nothing_pays_nobody_is_contacted() -> None:
    totals = ThresholdTotals.of(CHURNED, PROBABILITY)
    assert profit(totals.hits, totals.flagged, Costs(contact=60)).max() < 0
    assert profit_by_costs(totals, Costs(contact=60)) == 0


def test_true_probabilities_earn_most_at_the_break_even() -> None:
    random = np.random.default_rng(1)
    probability = random.beta(1, 4, 200_000)
    churned = (random.random(200_000) < probability).astype(float)
    totals = ThresholdTotals.of(churned, probability)
    per_customer = profit(totals.hits, totals.flagged, COSTS) / len(churned)
    assert totals.thresholds[np.argmax(per_customer)] == pytest.approx(break_even(COSTS), abs=0.02)
    assert profit_by_costs(totals, COSTS) == pytest.approx(per_customer.max(), rel=2e-3)


@pytest.mark.parametrize("wrong", [lambda p: p / 4, lambda p: 0.6 + 0.4 * p], ids=["too low", "too high"])
def test_wrong_probabilities_lose_money_in_the_same_order(wrong) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(1)
    probability = random.beta(1, 4, 50_000)
    churned = (random.random(50_000) < probability).astype(float)
    right = profit_by_costs(ThresholdTotals.of(churned, probability), COSTS)
    assert profit_by_costs(ThresholdTotals.of(churned, wrong(probability)), COSTS) < 0.8 * right
