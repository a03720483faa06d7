"""BG/NBD against published figures, a numerical integration of its definition, and customers made by it."""

import numpy as np
import pytest
from scipy.stats import beta, gamma

from ml.common.array_types import Floats
from ml.model.repeat_purchase import (
    Histories,
    Parameters,
    RepeatPurchase,
    fit_to_histories,
    log_likelihood,
    log_odds_gone,
    purchase_probability,
    read_histories,
)

CDNOW = Parameters(0.243, 4.414, 0.793, 2.426)
"""Published estimates, in weeks (Fader, Hardie and Lee, 2005, on the CDNOW customers)."""


def one(repeats: float, last: float, age: float) -> Histories:
    return Histories(np.array([repeats]), np.array([last]), np.array([age]))


def likelihood(rate: Floats, leaves: Floats, seen: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Of one history with repeats, given rate and chance to leave: still here, gone."""
    repeats, last, age = seen
    here = (1 - leaves) ** repeats * rate**repeats * np.exp(-rate * age)
    return here, leaves * (1 - leaves) ** (repeats - 1) * rate**repeats * np.exp(-rate * last)


def all_customers(habits: Parameters, steps: int = 1500) -> tuple[Floats, Floats]:
    """Rates and chances to leave at the middles of equally likely cells of both distributions."""
    middles = (np.arange(steps) + 0.5) / steps
    rates = gamma.ppf(middles, habits.r, scale=1 / habits.alpha)
    leaves = beta.ppf(middles, habits.a, habits.b)
    rate, leave = np.meshgrid(rates, leaves)
    return rate, leave


def test_the_published_customer_and_the_closed_formula_agree_with_the_integral() -> None:
    """Customer 0001 of CDNOW: two repeats, the last after 30.43 of 38.86 weeks; 1.226 expected in 39 more."""
    seen, ahead = (2.0, 30.43, 38.86), 39.0
    rate, leaves = all_customers(CDNOW)
    here, gone = likelihood(rate, leaves, seen)
    total = (here + gone).mean()
    expected = (here * (1 - np.exp(-leaves * rate * ahead)) / leaves).mean() / total
    assert expected == pytest.approx(1.226, abs=1e-3)
    buys = (here * (1 - np.exp(-rate * ahead))).mean() / total
    found = purchase_probability(CDNOW, one(*seen), ahead, modified=False)[0]
    assert found == pytest.approx(buys, rel=1e-3)
    assert log_likelihood(CDNOW, one(*seen), modified=False)[0] == pytest.approx(np.log(total), abs=1e-3)


def test_a_first_purchase_leaves_nobody_gone_but_in_the_modified_model() -> None:
    seen = one(0, 0, 38.86)
    assert log_odds_gone(CDNOW, seen, modified=False)[0] == -np.inf
    by_hand = np.log(CDNOW.a / CDNOW.b) + CDNOW.r * np.log((CDNOW.alpha + 38.86) / CDNOW.alpha)
    assert log_odds_gone(CDNOW, seen, modified=True)[0] == pytest.approx(by_hand)


def made_customers(
    habits: Parameters, number: int, modified: bool, ahead: float
) -> tuple[Histories, np.ndarray]:
    """Customers who live by the model, seen for 27 to 39 weeks, and whether they buy in those ahead."""
    random = np.random.default_rng(11)
    rates = random.gamma(habits.r, 1 / habits.alpha, number)
    leaves = random.beta(habits.a, habits.b, number)
    age = random.uniform(27, 39, number)
    repeats, last, bought = np.zeros(number), np.zeros(number), np.zeros(number, bool)
    for who in range(number):
        now = 0.0
        here = not (modified and random.random() < leaves[who])
        while here:
            now += random.exponential(1 / rates[who])
            if now > age[who]:
                bought[who] = now <= age[who] + ahead
                break
            repeats[who], last[who] = repeats[who] + 1, now
            here = random.random() >= leaves[who]
    return Histories(repeats, last, age), bought


@pytest.mark.parametrize("modified", [False, True])
def test_made_customers_give_their_habits_back(modified: bool) -> None:
    habits = Parameters(0.8, 5.0, 0.8, 2.4)
    seen, bought = made_customers(habits, 6_000, modified, 8.0)
    found = fit_to_histories(seen, modified)
    assert (
        log_likelihood(found, seen, modified).mean() >= log_likelihood(habits, seen, modified).mean() - 1e-6
    )
    assert found.r / found.alpha == pytest.approx(habits.r / habits.alpha, rel=0.1)
    assert found.a / (found.a + found.b) == pytest.approx(habits.a / (habits.a + habits.b), rel=0.15)
    chance = purchase_probability(found, seen, 8.0, modified)
    assert chance.mean() == pytest.approx(bought.mean(), abs=0.015)
    likely = chance > np.quantile(chance, 0.8)
    assert chance[likely].mean() == pytest.approx(bought[likely].mean(), abs=0.03)


def test_orders_become_a_history() -> None:
    found = read_histories(np.array([[3.0, 100.0, 20.0], [1.0, 5.0, 5.0], [2.0, 9.0, 9.5]]))
    np.testing.assert_array_equal(found.repeats, [2, 0, 1])
    np.testing.assert_array_equal(found.last, [80, 0, 0])
    np.testing.assert_array_equal(found.age, [100, 5, 9])


def test_the_classifier_learns_from_labels_and_gives_the_unknown_the_rate() -> None:
    """Late by their own rhythm churn, whatever else is in the columns."""
    random = np.random.default_rng(2)
    placed = random.integers(1, 20, 800).astype(float)
    age = placed * 10 + random.uniform(0, 90, 800)
    silence = np.minimum(random.exponential(25, 800), age)
    churned = (silence * placed / age > random.uniform(0.5, 3, 800)).astype(int)
    values = np.column_stack([placed, age, silence])
    model = RepeatPurchase(30).fit(values, churned)
    found = model.predict_proba(values)[:, 1]
    assert found[silence * placed / age > 3].mean() > 3 * found[silence * placed / age < 0.3].mean()
    unknown = np.array([[np.nan, np.nan, np.nan], [0.0, 3.0, 1.0]])
    np.testing.assert_array_equal(model.predict_proba(unknown)[:, 1], [churned.mean()] * 2)
    assert np.isnan(model.transform(unknown)).all()
    alone = np.vstack([model.transform(row[None, :]) for row in values[:50]])
    np.testing.assert_array_equal(alone, model.transform(values)[:50])
