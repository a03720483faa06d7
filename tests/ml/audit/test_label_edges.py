"""The little world in which one microsecond decides: its rule is the contract's, and dbt must follow it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ml.audit.label_edges import MICROSECOND, Order, edge_world, labels_of, wrong_edges
from ml.config.problem import Problem
from tests.ml.audit.audit_context import audit_context
from tests.ml.audit.planted import Fault, planted
from tests.reference.labels import reference_labels
from tests.reference.worlds import write_world
from tests.worlds import Built

PROBLEM = Problem()
PROBLEMS = [
    PROBLEM,
    replace(PROBLEM, horizon_days=1, active_within_days=1, cutoff_every_days=1),
    replace(PROBLEM, horizon_days=60, active_within_days=14, cutoff_every_days=10, label_delay_days=5),
]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_rule_is_that_of_the_brute_force(tmp_path: Path, problem: Problem) -> None:
    world, cutoff, clock = edge_world(problem)
    orders = [
        {"order_id": f"{name}{number}", "customer_id": name, "total_amount": None, **vars(order)}
        for name, placed in world.items()
        for number, order in enumerate(placed)
    ]
    first = min(order.ordered_at for placed in world.values() for order in placed) - timedelta(hours=12)
    rows = {
        "customers": [{"customer_id": name, "registered_at": first} for name in world],
        "orders": orders,
        "order_items": [],
        "support_tickets": [],
        "sessions": [],
    }
    expected = reference_labels(write_world(tmp_path, rows), clock, **problem.label_terms())
    assert {
        (*label, churned) for label, churned in labels_of(world, cutoff, clock, problem).items()
    } == expected


def test_what_one_microsecond_decides() -> None:
    world, cutoff, clock = edge_world(PROBLEM)
    found = labels_of(world, cutoff, clock, PROBLEM)
    decided = {name: found.get((name, cutoff)) for name in world}
    assert decided["next order at the cut-off"] == 1
    assert decided["next order a microsecond after the cut-off"] == 0
    assert decided["next order at the end of the horizon"] == 0
    assert decided["next order a microsecond after the end of the horizon"] == 1
    assert decided["only order at the beginning of the activity span"] is None
    assert decided["only order a microsecond after the beginning of the activity span"] == 1
    assert decided["only order at the cut-off"] == 1
    assert decided["only order a microsecond after the cut-off"] is None
    assert decided["order known at the cut-off"] == 1
    assert decided["order known a microsecond after the cut-off"] is None
    assert decided["order cancelled at the cut-off"] is None
    assert decided["order returned a microsecond after the cut-off"] == 1
    assert (decided["next order cancelled in the end"], decided["next order known in the end"]) == (1, 0)


def test_an_order_counts_from_when_it_is_known_until_it_is_lost() -> None:
    _, cutoff, _ = edge_world(PROBLEM)
    order = Order(cutoff, loaded_at=cutoff + MICROSECOND, returned_at=cutoff + 2 * MICROSECOND)
    assert [order.counts_at(cutoff + number * MICROSECOND) for number in range(3)] == [False, True, False]


def test_a_horizon_that_begins_too_early_is_named(shop: Built, tmp_path: Path) -> None:
    closed = Fault(
        "macros/labels_at_cutoffs.sql",
        'horizon_before_order, "ordered_at", type=type)',
        'horizon_before_order, "ordered_at + interval 1 microsecond", type=type)',
    )
    project = planted(tmp_path / "project", closed)
    compared, breaches = wrong_edges(audit_context(shop.home, tmp_path / "scratch", project=project))
    said = [breach.what for breach in breaches]
    turned = "has churned = 0, by the rule churned = 1"
    assert compared == 70
    assert f"label_customer_churn: a customer with 'next order at the cut-off' {turned}" in said
    assert f"label_customer_churn: a customer with 'only order at the cut-off' {turned}" in said
    assert all("a microsecond after the end of the horizon" not in sentence for sentence in said)
