"""Our own estimators: scikit-learn's contract, hand-worked values, the same bits alone and among many."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import check_estimator

from ml.model.estimators import RecencyRule, RowwiseLogistic, TameSkew
from ml.model.preparation import SinglePrecision

NAN = np.nan


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", [TameSkew(), RecencyRule()], ids=["TameSkew", "RecencyRule"])
def test_scikit_learn_contract(estimator: BaseEstimator) -> None:
    check_estimator(estimator)


def test_only_long_tails_are_tamed_and_nulls_stay() -> None:
    tailed = np.array([0.0, 0, 0, 0, 0, 0, 0, -3, 1000])
    even = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, NAN])
    tamed = TameSkew().fit_transform(np.column_stack([tailed, even]))
    assert tamed[7, 0] == -np.log(4)
    assert tamed[8, 0] == np.log(1001)
    np.testing.assert_array_equal(tamed[:, 1], even)


def test_a_column_without_a_value_when_fitted_says_nothing_later() -> None:
    learned = np.array([[NAN, 1.0], [NAN, NAN]])
    step = SinglePrecision().fit(learned)
    asked = np.array([[5.0, NAN], [NAN, 2.0]])
    np.testing.assert_array_equal(step.transform(asked), np.array([[0, NAN], [0, 2]], dtype=np.float32))
    del step.unknown_  # as in a model saved before it was learned
    np.testing.assert_array_equal(step.transform(asked), asked.astype(np.float32))


def test_the_rule_rises_and_falls_back_where_its_lead_is_null() -> None:
    """The first column tells all; where it is null the second speaks: 1 of 4 churned at its only value."""
    lead = np.array([1.0, 1, 2, 2, 3, 3, NAN, NAN, NAN, NAN])
    other = np.full(10, 5.0)
    churned = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0, 0])
    rule = RecencyRule().fit(np.column_stack([lead, other]), churned)
    asked = np.array([[2.0, 0], [NAN, 99], [NAN, NAN], [1.5, 0], [100, 0]])
    surest = 1 / 8
    expected = [0.5, 0.25, 0.4, (surest + 0.5) / 2, 1 - surest]
    np.testing.assert_allclose(rule.predict_proba(asked)[:, 1], expected)
    np.testing.assert_array_equal(rule.deciding_column(asked), [0, 1, -1, 0, 0])


def test_the_lateness_that_tells_more_leads() -> None:
    random = np.random.default_rng(0)
    telling = random.random(400)
    churned = (random.random(400) < telling).astype(int)
    noise = random.random(400)
    rule = RecencyRule().fit(np.column_stack([noise, telling]), churned)
    np.testing.assert_array_equal(rule.order_, [1, 0])
    alone = RecencyRule().fit(noise[:, None], churned).predict_proba(noise[:, None])[:, 1]
    both = rule.predict_proba(np.column_stack([noise, telling]))[:, 1]
    assert log_loss(churned, both) < log_loss(churned, alone)


def test_a_linear_score_is_the_same_alone_and_among_many() -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=(200, 83)) * 10.0 ** random.integers(-3, 1, 83)
    model = RowwiseLogistic(C=0.1, max_iter=500).fit(values, random.integers(0, 2, 200))
    together = model.predict_proba(values)
    alone = np.vstack([model.predict_proba(row[None, :]) for row in values])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(together, LogisticRegression.predict_proba(model, values))


def test_the_rule_turns_round_where_the_late_are_the_ones_who_stay() -> None:
    """People who buy every few months: of those who ordered last week 3 of 4 are gone for a month."""
    days = np.array([5.0, 5, 5, 5, 80, 80, 80, 80])
    churned = np.array([1, 1, 1, 0, 1, 0, 0, 0])
    rule = RecencyRule().fit(days[:, None], churned)
    np.testing.assert_allclose(rule.predict_proba([[5.0], [80.0], [200.0]])[:, 1], [0.75, 0.25, 0.25])
