"""Folds by time, and learning that stops: no label is known before it is settled, nothing looks ahead."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from ml.metrics.bootstrap import customer_weights
from ml.train.candidates import Candidate, candidates
from ml.train.fitting import PreparedRows, earlier_and_later, fit
from ml.train.folds import LabelledRows, earlier_folds, make_folds
from ml.train.trials import cross_calibrate
from tests.ml.conftest import PROBLEM, Workshop

WEEK, GAP = np.timedelta64(7, "D"), timedelta(days=30)


def weekly(weeks: int, customers: int = 40, seed: int = 0) -> LabelledRows:
    """One row a customer and week; half of them churned, at random."""
    random = np.random.default_rng(seed)
    at = np.repeat(np.datetime64("2024-01-01", "us") + WEEK * np.arange(weeks), customers)
    names = np.array([f"c{number}" for number in range(customers)] * weeks, dtype=object)
    frame = pd.DataFrame({"x": random.normal(size=len(at))})
    return LabelledRows(frame, random.integers(0, 2, len(at)).astype(float), names, at)


def test_every_fold_learns_only_what_was_settled_before_it_asks(workshop: Workshop) -> None:
    folds = make_folds(workshop.parts, workshop.inputs, PROBLEM)
    assert [fold.last for fold in folds] == [False, False, True]
    for fold in folds:
        assert fold.train.at.max() + np.timedelta64(30, "D") <= fold.validation.at.min()
    for earlier, later in pairwise(folds):
        assert earlier.validation.at.max() < later.validation.at.min()
        assert len(earlier.train.labels) < len(later.train.labels)
    first_asked = workshop.parts.selection.table.column("event_timestamp").to_numpy().min()
    assert max(fold.validation.at.max() for fold in folds[:-1]) < first_asked


def test_folds_of_twenty_weeks_by_hand() -> None:
    """Width five: weeks 15 to 19 after 0 to 10 (settled within 30 days), weeks 10 to 14 after 0 to 5."""
    start = np.datetime64("2024-01-01", "us")
    found = list(earlier_folds(weekly(20), most=8, gap=GAP))
    weeks = [
        [
            int((edge - start) / WEEK)
            for edge in (fold.train.at.max(), fold.validation.at.min(), fold.validation.at.max())
        ]
        for fold in found
    ]
    assert weeks == [[10, 15, 19], [5, 10, 14]]


def test_a_short_history_has_no_earlier_fold() -> None:
    assert list(earlier_folds(weekly(5), most=3, gap=GAP)) == []


def test_stopping_looks_at_the_last_cut_offs_and_learns_from_settled_ones() -> None:
    asked = weekly(20, customers=200)
    rows = PreparedRows(asked.frame.to_numpy(), asked.labels.astype(int), asked.at, GAP)
    parts = earlier_and_later(rows)
    assert parts is not None
    earlier, later = parts
    assert len(np.unique(later.at)) == 4
    assert earlier.at.max() + np.timedelta64(30, "D") <= later.at.min()
    assert earlier_and_later(rows.take(rows.at < rows.at.min() + 6 * WEEK)) is None


@pytest.fixture(scope="module")
def noise() -> PreparedRows:
    """Nothing to learn but chance."""
    random = np.random.default_rng(4)
    asked = weekly(20, customers=200)
    values = random.normal(size=(len(asked.labels), 6))
    return PreparedRows(values, asked.labels.astype(int), asked.at, GAP)


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "xgboost", "lightgbm"])
def test_a_booster_stops_early_where_there_is_nothing_to_learn(
    workshop: Workshop, noise: PreparedRows, name: str
) -> None:
    candidate = candidate_of(workshop, name)
    model = fit(candidate, None, noise).named_steps["model"]
    trees = model.get_params().get("n_estimators") or model.get_params()["max_iter"]
    assert trees < 60
    again = fit(candidate, None, noise).named_steps["model"]
    np.testing.assert_array_equal(again.predict_proba(noise.values), model.predict_proba(noise.values))


def candidate_of(workshop: Workshop, name: str) -> Candidate:
    found = candidates(workshop.inputs, PROBLEM, 1000)
    return next(each for each in found if each.name == name)


def test_balanced_weights_lift_the_level_of_a_rare_class(workshop: Workshop) -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(2000, 3))
    churned = (values[:, 0] + random.normal(size=2000) > 2.3).astype(int)
    rows = PreparedRows(values, churned, np.full(2000, np.datetime64("2024-01-01", "us")), GAP)
    plain = candidate_of(workshop, "logistic_regression")
    means = [
        fit(each, None, rows).named_steps["model"].predict_proba(values)[:, 1].mean()
        for each in (plain, plain.with_settings({"balanced": True}))
    ]
    assert means[0] == pytest.approx(churned.mean(), abs=0.01)
    assert means[1] > 3 * means[0]


def test_a_customer_is_drawn_alike_in_every_fold(workshop: Workshop) -> None:
    folds = make_folds(workshop.parts, workshop.inputs, PROBLEM)
    customers, churned = (
        [fold.validation.customers for fold in folds],
        [fold.validation.labels for fold in folds],
    )
    first, *_ = customer_weights(customers, churned, seed=1)
    drawn: dict[str, float] = {}
    for fold, weights in zip(folds, first, strict=True):
        for customer, weight in zip(fold.validation.customers, weights[0], strict=True):
            assert drawn.setdefault(customer, weight) == weight


def test_nobodys_own_rows_calibrate_them() -> None:
    """Changing the labels of one half moves only the other half's probabilities."""
    from ml.common.sampling import in_first_half

    asked = weekly(4, customers=100)
    raw = np.random.default_rng(5).uniform(0.2, 0.8, len(asked.labels))
    first = np.array([in_first_half(name, 17) for name in asked.customers])
    changed = np.where(first, (raw > 0.5).astype(float), asked.labels)
    before, after = cross_calibrate(asked, raw, 17), cross_calibrate(replace(asked, labels=changed), raw, 17)
    np.testing.assert_array_equal(before[first], after[first])
    assert (before[~first] != after[~first]).all()
