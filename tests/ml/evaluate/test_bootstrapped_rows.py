"""Rows that are measured: figures by hand, replicates that draw customers, paired differences, samples."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ml.config.problem import Costs, Problem
from ml.evaluate.bootstrapped_rows import Rows
from ml.evaluate.sampled_rows import in_sample, sample_customers, share_of_customers
from ml.features.training_parts import Part

PROBLEM = replace(Problem(), costs=Costs(contact=1, offer=10, value_kept=200, take_up=0.5))
CHURNED = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])


def rows_of(customers: np.ndarray) -> Rows:
    return Rows(CHURNED, customers, PROBLEM)


def test_a_list_by_hand() -> None:
    """Four listed, three of them churners of four; each churner earns 0.5 * 190 - 1, each other costs 11."""
    listed = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    facts = rows_of(np.arange(10)).decision_facts(listed)
    assert facts["listed"]["value"] == pytest.approx(0.4)
    assert facts["recall"]["value"] == pytest.approx(3 / 4)
    assert facts["precision"]["value"] == pytest.approx(3 / 4)
    assert facts["profit"]["value"] == pytest.approx(3 * 94 - 11)
    for interval in facts.values():
        assert interval["low"] <= interval["value"] <= interval["high"]


def test_nobody_listed_has_no_precision_and_earns_nothing() -> None:
    facts = rows_of(np.arange(10)).decision_facts(np.zeros(10, dtype=bool))
    assert facts["precision"] is None
    assert facts["profit"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_replicates_draw_customers_not_rows() -> None:
    """The same hundred rows: as a hundred customers, and as ten with ten equal rows each."""
    random = np.random.default_rng(2)
    churned = np.repeat((random.random(10) < 0.5).astype(float), 10)
    listed = np.repeat(random.random(10) < 0.5, 10)
    many = Rows(churned, np.arange(100), PROBLEM).decision_facts(listed)["listed"]
    few = Rows(churned, np.repeat(np.arange(10), 10), PROBLEM).decision_facts(listed)["listed"]
    assert few["value"] == many["value"]
    assert few["high"] - few["low"] > 2 * (many["high"] - many["low"])


def test_differences_are_paired_in_the_same_replicates() -> None:
    random = np.random.default_rng(4)
    churned = (random.random(400) < 0.4).astype(float)
    probability = np.clip(0.4 * churned + 0.5 * random.random(400), 0.01, 0.99)
    replicates = Rows(churned, np.arange(400) // 4, PROBLEM).replicate(
        {"one": probability, "same": probability, "worse": 0.5 * probability + 0.5 * random.random(400)}
    )
    assert all(set(interval.values()) == {0.0} for interval in replicates.change("one", "same").values())
    change, alone = replicates.change("one", "worse")["roc_auc"], replicates.measures("worse")["roc_auc"]
    assert change["low"] > 0
    assert change["high"] - change["low"] < 2 * (alone["high"] - alone["low"])
    one, worse = replicates.measures("one")["roc_auc"], replicates.measures("worse")["roc_auc"]
    assert change["value"] == pytest.approx(one["value"] - worse["value"])


def test_too_few_of_a_class_is_not_measured() -> None:
    assert not Rows(np.r_[np.ones(19), np.zeros(100)], np.arange(119), PROBLEM).measurable
    assert Rows(np.r_[np.ones(20), np.zeros(20)], np.arange(40), PROBLEM).measurable


def part(customers: int, each: int) -> Part:
    names = np.repeat([f"c{number}" for number in range(customers)], each)
    return Part("test", pa.table({"customer_id": names, "churned": np.zeros(len(names), dtype=int)}))


def test_a_sample_holds_whole_customers_the_same_each_time() -> None:
    everyone = part(200, 7)
    few = sample_customers(everyone, 300, seed=1)
    counts = few.table.group_by("customer_id").aggregate([("churned", "count")])
    assert set(counts.column("churned_count").to_pylist()) == {7}
    assert 290 <= len(few.table) <= 300
    assert few.table.equals(sample_customers(everyone, 300, seed=1).table)
    assert not few.table.equals(sample_customers(everyone, 300, seed=2).table)
    assert sample_customers(everyone, 1400, seed=1) is everyone
    assert in_sample(everyone.customers, 300, 1).sum() == len(few.table)


def test_a_smaller_share_lies_in_a_larger_one() -> None:
    everyone = part(200, 3)
    shares = [set(share_of_customers(everyone, share, 5).customers) for share in (0.1, 0.5, 1.0)]
    assert [len(share) for share in shares] == [20, 100, 200]
    assert shares[0] < shares[1] < shares[2]
