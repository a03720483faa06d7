"""Shapley values against their definition: every coalition counted, on trees small enough to do so."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import DMatrix, XGBClassifier

from ml.common.errors import ModelError
from ml.explain import shapley
from ml.explain.contributions import by_input, check_adds_up, contributions, explain, shared_columns
from ml.explain.shapley import LOG_ODDS, PROBABILITY, Contributions
from ml.model.activity import COLUMNS as ACTIVITY_COLUMNS
from ml.model.fitted_model import raw_prediction
from ml.model.preparation import sources
from ml.model.probability import log_odds
from ml.train.churn_candidates import MODELS
from tests.ml.conftest import Workshop

KINDS = list(MODELS)
COLUMNS = 4


def rows_with_nulls(rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Four columns, one of them null now and then; churn depends on two together."""
    random = np.random.default_rng(3)
    values = random.normal(size=(rows, COLUMNS))
    churned = (values[:, 0] + values[:, 1] * values[:, 2] + random.normal(0, 0.5, rows) > 0).astype(int)
    values[random.random((rows, COLUMNS)) < 0.1] = np.nan
    return values, churned


def by_definition(value_of: Callable[[frozenset[int]], float]) -> np.ndarray:
    """Shapley values of the game that gives each coalition of columns its value."""
    found = np.zeros(COLUMNS)
    for column in range(COLUMNS):
        others = [other for other in range(COLUMNS) if other != column]
        for size in range(COLUMNS):
            weight = factorial(size) * factorial(COLUMNS - size - 1) / factorial(COLUMNS)
            for coalition in combinations(others, size):
                known = frozenset(coalition)
                found[column] += weight * (value_of(known | {column}) - value_of(known))
    return found


def expected(tree: Any, row: np.ndarray, known: frozenset[int], node: int = 0) -> float:
    """A tree's mean vote when only some columns are known: training rows decide the others."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left == -1:
        return float(tree.value[node][0][1] / tree.value[node][0].sum())
    value = np.float32(row[tree.feature[node]])
    if tree.feature[node] in known:
        goes_left = tree.missing_go_to_left[node] if np.isnan(value) else value <= tree.threshold[node]
        return expected(tree, row, known, left if goes_left else right)
    weights = tree.weighted_n_node_samples
    both = [weights[side] * expected(tree, row, known, side) for side in (left, right)]
    return sum(both) / weights[node]


def test_trees_and_forests_by_definition() -> None:
    values, churned = rows_with_nulls()
    forest = RandomForestClassifier(7, min_samples_leaf=15, random_state=1, class_weight="balanced")
    for model in (DecisionTreeClassifier(min_samples_leaf=10, random_state=1), forest):
        model.fit(values, churned)
        trees = [each.tree_ for each in getattr(model, "estimators_", [model])]
        added = shapley.of_trees(model, values[:12], PROBABILITY)
        assert added.scale == PROBABILITY
        for row, found in zip(values[:12], added.values, strict=True):
            want = np.mean([by_definition(lambda known: expected(t, row, known)) for t in trees], axis=0)  # noqa: B023
            np.testing.assert_allclose(found, want, atol=1e-9)
        # a vote of nobody is 0, of which a rounding error is no share
        np.testing.assert_allclose(
            added.base + added.values.sum(axis=1), model.predict_proba(values[:12])[:, 1], atol=1e-14
        )


def test_histogram_boosting_and_boosters_add_up_to_their_margins() -> None:
    values, churned = rows_with_nulls()
    hist = HistGradientBoostingClassifier(max_iter=30, random_state=1).fit(values, churned)
    added = shapley.of_trees(hist, values)
    assert added.scale == LOG_ODDS
    np.testing.assert_allclose(
        added.base + added.values.sum(axis=1), hist.decision_function(values), atol=1e-9
    )
    boosted = XGBClassifier(n_estimators=30, max_depth=3, random_state=1).fit(values, churned)
    added = shapley.of_trees(boosted, values)
    margins = boosted.predict(values, output_margin=True)
    np.testing.assert_allclose(added.base + added.values.sum(axis=1), margins, atol=1e-4)
    own = boosted.get_booster().predict(DMatrix(values), pred_contribs=True)
    np.testing.assert_allclose(added.values, own[:, :-1], atol=1e-5)
    assert added.base == pytest.approx(float(own[0, -1]), abs=1e-5)


def test_lightgbm_adds_up_to_its_margin() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    values, churned = rows_with_nulls()
    model = lightgbm.LGBMClassifier(n_estimators=30, num_leaves=7, verbose=-1).fit(values, churned)
    added = shapley.of_trees(model, values)
    margins = model.predict(values, raw_score=True)
    np.testing.assert_allclose(added.base + added.values.sum(axis=1), margins, atol=1e-9)
    own = model.predict(values, pred_contrib=True)
    np.testing.assert_allclose(added.values, own[:, :-1], atol=1e-9)
    assert added.base == pytest.approx(own[0, -1], abs=1e-9)


def test_boosters_that_never_met_a_null_treat_it_as_they_score_it() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    values, churned = rows_with_nulls()
    known = np.nan_to_num(values, nan=0.3)
    for model in (
        lightgbm.LGBMClassifier(n_estimators=30, num_leaves=7, verbose=-1),
        XGBClassifier(n_estimators=30, max_depth=3, random_state=1),
        HistGradientBoostingClassifier(max_iter=30, random_state=1),
    ):
        model.fit(known, churned)
        added = shapley.of_trees(model, values)
        scores = log_odds(model.predict_proba(values)[:, 1])
        np.testing.assert_allclose(added.base + added.values.sum(axis=1), scores, atol=1e-4)


def test_a_refit_of_the_same_estimator_has_its_own_values() -> None:
    values, churned = rows_with_nulls()
    for model in (
        DecisionTreeClassifier(min_samples_leaf=10, random_state=1),
        RandomForestClassifier(7, min_samples_leaf=15, random_state=1),
        HistGradientBoostingClassifier(max_iter=30, random_state=1),
        XGBClassifier(n_estimators=30, max_depth=3, random_state=1),
    ):
        before = shapley.of_trees(model.fit(values, churned), values)
        after = shapley.of_trees(model.fit(values, 1 - churned), values)
        assert np.abs(before.values + after.values).max() < 1e-4


def test_a_booster_stopped_early_is_told_by_the_rounds_it_uses() -> None:
    values, churned = rows_with_nulls()
    model = XGBClassifier(n_estimators=200, learning_rate=0.5, early_stopping_rounds=2, random_state=1)
    model.fit(values[:400], churned[:400], eval_set=[(values[400:], churned[400:])], verbose=False)
    assert model.best_iteration < 150
    added = shapley.of_trees(model, values)
    margins = model.predict(values, output_margin=True)
    np.testing.assert_allclose(added.base + added.values.sum(axis=1), margins, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_reasons_of_every_kind_add_up_to_the_raw_score(workshop: Workshop, kind: str) -> None:
    model = workshop.champion(kind)
    frame = model.frame(workshop.parts.test.table)[:300]
    told, raw = explain(model, frame), raw_prediction(model.pipeline, frame)
    expected_scores = raw if told.scale == PROBABILITY else log_odds(raw)
    np.testing.assert_allclose(told.scores, expected_scores, atol=2e-4)
    assert told.largest_gap < 1e-5


def test_the_linear_model_at_its_mean_adds_nothing(workshop: Workshop) -> None:
    model = workshop.champion("logistic_regression")
    linear = model.pipeline.named_steps["model"]
    added = shapley.of_linear(linear, model.prepared_means[None, :], model.prepared_means)
    assert np.abs(added.values).max() == 0
    assert added.base == pytest.approx(float(linear.decision_function(model.prepared_means[None, :])[0]))


def test_what_does_not_add_up_is_refused(workshop: Workshop) -> None:
    """The planted fault: half a percent more risk for one row than its score says."""
    model = workshop.champion("logistic_regression")
    frame = model.frame(workshop.parts.test.table)[:50]
    prepared = np.asarray(model.pipeline.named_steps["prepare"].transform(frame))
    true = shapley.of_linear(model.pipeline.named_steps["model"], prepared, model.prepared_means)
    assert check_adds_up(model, frame, true) < 1e-9
    wrong = true.values.copy()
    wrong[7, 0] += 0.02
    with pytest.raises(ModelError, match="do not add up to its scores"):
        check_adds_up(model, frame, Contributions(wrong, true.base, true.scale))
    with pytest.raises(ModelError, match="do not add up"):
        check_adds_up(model, frame, Contributions(true.values * np.nan, true.base, true.scale))


def test_a_kind_without_a_method_is_refused(workshop: Workshop) -> None:
    model = workshop.champion("prior")
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import Pipeline

    strange = Pipeline([("prepare", model.pipeline.named_steps["prepare"]), ("model", GaussianNB())])
    frame = model.frame(workshop.parts.test.table)[:2]
    with pytest.raises(ModelError, match="prior has no exact reasons"):
        contributions(replace(model, pipeline=strange), frame)


def test_no_row_has_no_reasons(workshop: Workshop) -> None:
    model = workshop.champion("xgboost")
    assert contributions(model, model.frame(workshop.parts.test.table)[:0]).shape == (0, len(model.inputs))


def test_what_streams_say_together_counts_with_the_one_seen_last(workshop: Workshop) -> None:
    model = workshop.champion("xgboost")
    frame = model.frame(workshop.parts.test.table)[:200]
    prepare = model.pipeline.named_steps["prepare"]
    shared = shared_columns(prepare)
    assert shared.silences == ["days_since_last_order", "days_since_last_session"]
    columns = prepare.named_steps["columns"].get_feature_names_out()
    assert list(columns[list(shared.columns)]) == list(ACTIVITY_COLUMNS)
    added = np.zeros((len(frame), len(sources(prepare))))
    added[:, shared.columns.start] = 1.0
    found = pd.DataFrame(by_input(model, frame, added), columns=frame.columns)
    order, session = (frame[name].fillna(np.inf) for name in shared.silences)
    np.testing.assert_array_equal(found["days_since_last_session"], (session < order).astype(float))
    np.testing.assert_array_equal(found["days_since_last_order"], (session >= order).astype(float))
    assert set(found.sum(axis=1)) == {1.0}
    assert 0 < (session < order).mean() < 1


def test_sampled_values_of_a_sum_are_its_terms() -> None:
    """For a linear score any order gives the coefficient times the distance from the mean background row."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(7, 4)), columns=list("abcd"))
    background = pd.DataFrame(random.normal(size=(5, 4)), columns=list("abcd"))
    weights = np.array([1.0, -2.0, 0.0, 3.5])
    added = shapley.of_any(lambda rows: rows.to_numpy() @ weights + 0.25, frame, background, seed=1)
    assert np.allclose(added.values, (frame - background.mean()).to_numpy() * weights)
    assert added.base == pytest.approx(float(background.mean() @ weights + 0.25))


def test_sampled_values_of_a_product_share_it() -> None:
    """Of x * y from zero on, forwards and backwards, both get half."""
    frame = pd.DataFrame({"x": [2.0], "y": [3.0], "idle": [9.0]})
    background = pd.DataFrame({"x": [0.0], "y": [0.0], "idle": [1.0]})
    added = shapley.of_any(lambda rows: (rows["x"] * rows["y"]).to_numpy(), frame, background, seed=1)
    assert added.values.tolist() == [[3.0, 3.0, 0.0]]
    assert added.base == 0
