"""Reasons by subject, in the order in which they are told, and which subject a feature speaks of."""

from pathlib import Path

import numpy as np
import pandas as pd

from ml.explain.reason_choice import choose_reasons
from ml.explain.reason_text import Wording, reasons
from ml.explain.subjects import aspects_of, by_subject, subjects_of
from ml.featurestore.catalog import Catalog, Feature, OnDemand, View, read_catalog
from ml.home.layout import Home
from ml.model.inputs import Input
from tests.ml.conftest import Workshop

SUBJECTS = ["orders", "orders", "support", "profile"]


def order(*added: float) -> list[int]:
    return choose_reasons(np.array([added]), SUBJECTS, 3)[0]


def test_each_subject_speaks_once_before_one_speaks_twice() -> None:
    assert order(0.9, 0.8, 0.3, 0.2) == [0, 2, 3]
    assert order(0.4, 0.8, 0.0, 0.0) == [1, 0]


def test_subjects_come_by_their_sum_not_by_their_greatest_feature() -> None:
    """Orders add 0.5 in all, support 0.6."""
    assert order(0.7, -0.2, 0.6, 0.0) == [2, 0]


def test_a_subject_that_lowers_the_risk_as_a_whole_comes_after_those_that_raise_it() -> None:
    assert order(0.5, -0.9, 0.3, 0.0) == [2, 0]
    assert order(-0.5, -0.9, -0.3, 0.0) == []


def test_a_subject_that_hardly_counts_comes_after_what_counts() -> None:
    """0.05 is less than a tenth of 1.7, the sum of the orders."""
    assert order(0.9, 0.8, 0.05, 0.0) == [0, 1, 2]
    assert order(0.9, -2.0, 0.0, 0.08) == [0, 3]


def test_what_hardly_raises_the_risk_is_no_reason() -> None:
    """0.04 is less than a twentieth of 0.9."""
    assert order(0.9, 0.04, 0.0, 0.0) == [0]


def test_reasons_are_told_in_that_order_with_the_customers_own_values() -> None:
    inputs = [Input(name, "number", "double", 3.0) for name in ("late", "gap", "tickets", "age")]
    words = [
        Wording(each, each.name.title(), subject=subject)
        for each, subject in zip(inputs, SUBJECTS, strict=True)
    ]
    frame = pd.DataFrame({"late": [47.0], "gap": [12.0], "tickets": [2.0], "age": [30.0]})
    assert reasons(frame, np.array([[0.9, 0.8, 0.3, -0.2]]), words, 3) == [
        [
            "Late: 47, typically 3 (late = 47)",
            "Tickets: 2, typically 3 (tickets = 2)",
            "Gap: 12, typically 3 (gap = 12)",
        ]
    ]


def test_a_sentence_may_say_how_its_values_are_written() -> None:
    """A format is for numbers; a value that is not known, or a text, stays as it is."""
    inputs = [Input(name, "number", "double", 3.0) for name in ("share", "late", "plan")]
    sentence = "{share:.0%} late, by {late:.1f} days ({late}), on {plan:>9}"
    words = [Wording(inputs[0], "Share", sentence), *(Wording(each, each.name) for each in inputs[1:])]
    rows = pd.DataFrame({"share": [0.256, 0.5], "late": [47.26, np.nan], "plan": ["team", "team"]})
    texts = [of_row[0] for of_row in reasons(rows, np.array([[1.0, 0.0, 0.0]] * 2), words, 1)]
    assert texts == [
        "26% late, by 47.3 days (47.3), on team (share = 0.26)",
        "50% late, by not known days (not known), on team (share = 0.5)",
    ]


def test_subjects_share_what_their_features_add() -> None:
    sums = by_subject(np.array([[1.0, 2.0, 4.0, 8.0], [0.0, -1.0, 0.5, 0.0]]), SUBJECTS)
    assert {name: values.tolist() for name, values in sums.items()} == {
        "orders": [3.0, -1.0],
        "support": [4.0, 0.5],
        "profile": [8.0, 0.0],
    }


def test_a_computed_feature_speaks_of_its_first_part() -> None:
    orders = Feature("orders_365d", "BIGINT", "Orders.", "feat_orders")
    tickets = Feature("tickets_365d", "BIGINT", "Tickets.", "feat_support")
    ratio = OnDemand("tickets_per_order", "tickets_365d / orders_365d", "Ratio.")
    twice = OnDemand("twice", "2 * (tickets_per_order + orders_365d)", "Twice.")
    catalog = Catalog(
        (
            View("feat_orders", Path(), "orders", (orders,)),
            View("feat_support", Path(), "support", (tickets,)),
        ),
        (ratio, twice),
    )
    assert subjects_of(catalog) == {
        "orders_365d": "orders",
        "tickets_365d": "support",
        "tickets_per_order": "support",
        "twice": "support",
    }


def test_aspects_follow_from_types_units_and_formulas() -> None:
    stored = [
        Feature("spend", "DECIMAL(18,4)", "Spend.", "o", meta={"unit": "money"}),
        Feature("orders", "BIGINT", "Orders.", "o"),
        Feature("last_at", "TIMESTAMP", "Last.", "o"),
        Feature("city", "VARCHAR", "City.", "o"),
        Feature("verified", "BOOLEAN", "Verified.", "o"),
    ]
    computed = [
        OnDemand("value", "spend / orders", "Value."),
        OnDemand("days", "days(last_at, asked_at)", "Days."),
        OnDemand("late", "days / value", "Late."),
        OnDemand("trend", "orders / 3", "Trend."),
    ]
    assert aspects_of(Catalog((View("o", Path(), "orders", tuple(stored)),), tuple(computed))) == {
        "spend": "money",
        "orders": "counts",
        "last_at": "times",
        "city": "facts",
        "verified": "facts",
        "value": "money",
        "days": "times",
        "late": "times",
        "trend": "counts",
    }


def test_subjects_of_a_build(workshop: Workshop) -> None:
    subjects = subjects_of(read_catalog(Home.at(workshop.home).current_build()))
    assert subjects["overdue_ratio"] == subjects["spend_90d"] == "orders"
    assert subjects["city"] == "profile"
