"""Expected spend against a simulation of its own assumptions, linear models, and prediction intervals."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge, TweedieRegressor

from ml.model.repeat_purchase import Histories, Parameters
from ml.model.value_estimators import (
    ExpectedSpend,
    RowwiseRidge,
    RowwiseTweedie,
    expected_purchases,
    fit_gamma_gamma,
    gamma_gamma_log_likelihood,
)
from ml.model.value_model import intervals_of

TRUE = Parameters(r=1.2, alpha=20.0, a=0.8, b=3.0)


def simulate(customers: int, age: float, ahead: float, seed: int) -> tuple[Histories, np.ndarray]:
    """Histories of the modified BG/NBD process, and the purchases of each customer in the days after."""
    random = np.random.default_rng(seed)
    rate = random.gamma(TRUE.r, 1 / TRUE.alpha, customers)
    leaves = random.beta(TRUE.a, TRUE.b, customers)
    repeats, last, later = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    for customer in range(customers):
        at = 0.0
        gone = random.uniform() < leaves[customer]  # after the first purchase
        while not gone:
            at += random.exponential(1 / rate[customer])
            if at > age + ahead:
                break
            if at <= age:
                repeats[customer], last[customer] = repeats[customer] + 1, at
            else:
                later[customer] += 1
            gone = random.uniform() < leaves[customer]
    return Histories(repeats, last, np.full(customers, age)), later


def test_expected_purchases_are_the_mean_of_a_simulation() -> None:
    """Over all customers, and over those with each number of repeats, within four standard errors."""
    histories, later = simulate(40_000, age=100.0, ahead=50.0, seed=5)
    expected = expected_purchases(TRUE, histories, 50.0)
    groups = [histories.repeats == number for number in range(4)] + [histories.repeats >= 4]
    for rows in [np.ones(len(later), bool), *groups]:
        error = later[rows].std(ddof=1) / np.sqrt(rows.sum())
        assert abs(expected[rows].mean() - later[rows].mean()) < 4 * error, rows.sum()


def test_the_gamma_gamma_model_finds_what_it_was_simulated_with() -> None:
    """q and the product of p and gamma; p and gamma alone trade off against each other in the likelihood."""
    random = np.random.default_rng(7)
    p, q, gamma = 6.0, 4.0, 15.0
    orders = random.integers(1, 12, 30_000).astype(float)
    nu = random.gamma(q, 1 / gamma, len(orders))
    mean = random.gamma(p * orders, 1 / nu) / orders
    found = fit_gamma_gamma(orders, mean)
    np.testing.assert_allclose([found[1], found[0] * found[2]], [q, p * gamma], rtol=0.03)
    likelihoods = [
        gamma_gamma_log_likelihood(np.log(parameters), orders, mean) for parameters in (found, (p, q, gamma))
    ]
    assert 0 <= likelihoods[0] - likelihoods[1] < 3 / len(orders)  # half of chi-squared with 3 degrees, a row
    # the mean order value of all customers, p * gamma / (q - 1)
    assert found[0] * found[2] / (found[1] - 1) == pytest.approx(mean.mean(), rel=0.02)


def history(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of ``SPEND_HISTORY`` and an amount that follows them."""
    random = np.random.default_rng(seed)
    placed = random.integers(1, 20, rows).astype(float)
    first = random.uniform(30, 400, rows)
    last = random.uniform(0, 1, rows) * first
    spend = placed * random.gamma(4, 10, rows)
    values = np.column_stack([placed, first, last, placed, spend])
    values[::17, 1:] = np.nan
    return values, np.where(last < 40, spend / 10, 0.0)


def test_expected_spend_has_the_level_of_the_training_rows_and_the_mean_for_strangers() -> None:
    values, amount = history(2_000, 1)
    model = ExpectedSpend(30).fit(values, amount)
    known = np.isfinite(values).all(axis=1)
    predicted = model.predict(values)
    assert predicted[known].mean() == pytest.approx(amount[known].mean())
    assert np.unique(predicted[~known]).tolist() == [amount.mean()]
    assert np.isfinite(predicted).all()
    assert (predicted >= 0).all()


@pytest.mark.parametrize("estimator", [ExpectedSpend(30), RowwiseRidge(alpha=3.0), RowwiseTweedie(alpha=0.1)])
def test_an_amount_is_the_same_alone_and_among_many(estimator: object) -> None:
    values, amount = history(500, 2)
    if not isinstance(estimator, ExpectedSpend):
        values = np.nan_to_num(values) / 100
    model = estimator.fit(values, amount)
    together = model.predict(values)
    alone = np.concatenate([model.predict(values[row : row + 1]) for row in range(60)])
    np.testing.assert_array_equal(alone, together[:60])


def test_linear_models_are_those_of_scikit_learn() -> None:
    values, amount = history(800, 3)
    values = np.nan_to_num(values) / 100
    np.testing.assert_allclose(
        RowwiseRidge(alpha=3.0).fit(values, amount).predict(values),
        Ridge(alpha=3.0).fit(values, amount).predict(values),
    )
    settings = {"power": 1.5, "alpha": 0.1, "link": "log", "max_iter": 300}
    ours = RowwiseTweedie(**settings).fit(values, np.where(amount == 0, -1.0, amount))
    np.testing.assert_allclose(
        ours.predict(values), TweedieRegressor(**settings).fit(values, amount).predict(values)
    )


def test_intervals_cover_as_stated_in_every_band() -> None:
    """Errors grow with the prediction, so that one width for all would be wrong at both ends."""
    random = np.random.default_rng(11)
    prediction = random.uniform(0, 100, 60_000)
    amount = prediction + prediction * random.standard_t(4, len(prediction)) / 4
    half = len(prediction) // 2
    intervals = intervals_of(amount[:half], prediction[:half])
    low, high = intervals.around(prediction[half:])
    covered = (amount[half:] >= low) & (amount[half:] <= high)
    for band in range(10):
        rows = (prediction[half:] >= 10 * band) & (prediction[half:] < 10 * band + 10)
        assert covered[rows].mean() == pytest.approx(0.9, abs=0.025), band
    widths = high - low
    assert widths[prediction[half:] > 90].mean() > 5 * widths[prediction[half:] < 10].mean()


def test_few_rows_give_the_whole_range_of_their_errors() -> None:
    intervals = intervals_of(np.array([1.0, 5.0, 2.0]), np.array([2.0, 2.0, 2.0]))
    assert (intervals.edges, intervals.low, intervals.high) == ((), (-1.0,), (3.0,))
