"""Definitions of churn from gaps between orders: by hand, on planted rhythms, and blind to later parts."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from ml.config.problem import Problem
from ml.explore.churn_definitions import Orders, at_cutoff, choice, find_definitions, orders_of, propose
from ml.explore.exploration_rows import read_labelled
from ml.explore.findings import of_definitions
from ml.explore.population_pictures import definitions
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import write_build

BY_HAND = Orders(np.array([0, 0, 0, 1, 1]), np.array([0.0, 10, 40, 5, 8]), end=50.0)


def rhythm(gap: float, customers: int = 200, days: int = 730) -> Orders:
    """Customers who order every so many days, each from a day of their own; one in three stops some day."""
    random = np.random.default_rng(3)
    owners, instants = [], []
    for number in range(customers):
        last = random.uniform(0, days) if number % 3 == 0 else days
        own = np.arange(random.uniform(0, gap), last, gap)
        owners.append(np.full(len(own), number))
        instants.append(own)
    return Orders(np.concatenate(owners), np.concatenate(instants), float(days))


def test_gaps_and_returns_by_hand() -> None:
    """a orders on days 0, 10 and 40, b on 5 and 8; all is seen until day 50."""
    np.testing.assert_array_equal(BY_HAND.gaps, [10, 30, 3])
    assert BY_HAND.returned_within(10) == pytest.approx(2 / 5)  # a's first and b's first
    assert BY_HAND.returned_within(30) == pytest.approx(3 / 4)  # the order of day 40 is not seen for 30 days
    assert BY_HAND.returned_within(60) is None


def test_a_cutoff_by_hand_at_its_edges() -> None:
    """Active: in (t - 5, t]; gone: nothing in (t, t + 30]."""
    assert at_cutoff(BY_HAND, 10.0, 30, 5) == (2, 1)  # both; a orders on day 40, b never again
    assert at_cutoff(BY_HAND, 10.0, 29, 5) == (2, 2)
    assert at_cutoff(BY_HAND, 13.0, 30, 5) == (1, 0)  # b's order of day 8 has left


def test_cutoffs_go_back_from_the_last_with_a_whole_horizon() -> None:
    found = choice(BY_HAND, 30, 10, 7)
    assert (found["cutoffs"], found["customers"]) == (3, 2)  # days 20, 13 and 6
    # 20: nobody is active, for a's order of day 10 has just left; 13: a stays, b goes; 6: both order again
    assert found["churn_rate"] == pytest.approx(1 / 4)


def test_instants_become_days_of_each_customer() -> None:
    table = pa.table(
        {
            "customer_id": ["a", "a", "b"],
            "ordered_at": [datetime(2024, 1, 1), datetime(2024, 1, 2, 12), datetime(2024, 1, 3)],
        }
    )
    found = orders_of(table, datetime(2024, 1, 5))
    np.testing.assert_array_equal(found.customers, [0, 0, 1])
    np.testing.assert_allclose(found.days, [0, 1.5, 2])
    assert found.end == pytest.approx(4)


def test_people_who_buy_every_hundred_days_get_a_longer_horizon() -> None:
    found = propose(rhythm(100), Problem())
    now = next(each for each in found["choices"] if each["is_present"])
    proposed = next(each for each in found["choices"] if each["is_proposed"])
    assert now["churn_rate"] > 0.6
    assert (proposed["horizon_days"], proposed["active_within_days"]) == (120, 365)
    assert 0.02 <= proposed["churn_rate"] <= 0.6
    assert found["sentence"].startswith(
        f"{now['churn_rate']:.0%} churn within 30 days, for people buy every 100"
    )
    assert "horizon_days 120, active_within_days 365, cutoff_every_days 28 would give" in found["sentence"]
    finding = of_definitions(found)
    assert finding is not None
    assert finding["what"] == "the definition does not fit"


def test_a_weekly_shop_keeps_its_definition() -> None:
    found = propose(rhythm(12), Problem())
    (proposed,) = [each for each in found["choices"] if each["is_proposed"]]
    assert (proposed["is_present"], found["sentence"], of_definitions(found)) == (True, None, None)


def test_orders_after_the_training_labels_change_nothing(tmp_path: Path) -> None:
    build = write_build(tmp_path, customers=120)
    before = find_definitions(read_labelled(build, PROBLEM))
    assert before is not None
    split = read_labelled(build, PROBLEM).split
    (file,) = (build / "features" / "feat_customer_orders").glob("*.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"create table states as from '{file}'")
        connection.execute(
            "update states set last_order_at = event_timestamp where event_timestamp > $1 + interval 31 day",
            [split.train[-1]],
        )
        connection.execute(f"copy states to '{file}' (format parquet)")
    assert find_definitions(read_labelled(build, PROBLEM)) == before


def test_the_section_marks_the_present_and_the_proposed_definition() -> None:
    found = propose(rhythm(100), Problem())
    html = "".join(definitions({"definitions": found, "problem": replace(Problem()).as_dict()}))
    assert html.count(">present<") == 1
    assert html.count(">proposed<") == 1
    assert "would give" in html
    assert "nan" not in html.lower()
    nothing = {"definitions": None, "problem": {"label": "label_customer_churn"}}
    assert "no other definition can be tried" in "".join(definitions(nothing))
    other = {"definitions": None, "problem": {"label": "label_ticket_ahead"}}
    assert "The label is that of label_ticket_ahead" in "".join(definitions(other))
