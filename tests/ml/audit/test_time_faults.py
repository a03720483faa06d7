"""Poison and replay: a clean project raises nothing, and each planted fault is caught by name."""

from typing import Any

import pytest

from ml.audit.all_checks import audit
from ml.ingest import ingest
from ml.warehouse import build
from tests.ml.audit.planted import Fault, planted
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/audit", "dbt_project")

CHECKS = ("poison", "replay")
SECONDS = 40
ORDERS = "models/marts/features/feat_customer_orders.sql"
SUPPORT = "models/marts/features/feat_customer_support.sql"

# An order counts from when it was placed, not from when it was known.
NO_KNOWN_AT = Fault(
    ORDERS,
    'lifetime_count("orders_placed_lifetime", "placed_orders", until="present_until")',
    '[contribution("orders_placed_lifetime", "placed_orders", "1", "ordered_at", until="present_until")]',
)
# The discount of an order counts only if the order was never cancelled or corrected at all.
GOOD_ORDERS = "good_orders as (select * from orders where lost_at is null and superseded_at is null),"
FINAL_STATUS = (
    Fault(ORDERS, 'windowed_sum("discount_365d", "orders"', 'windowed_sum("discount_365d", "good_orders"'),
    Fault(ORDERS, "\nlost_orders as (", f"\n{GOOD_ORDERS}\nlost_orders as ("),
)
# A low rating counts once the rating is old, seen from today.
WALL_CLOCK = Fault(
    SUPPORT,
    "case when satisfaction_score <= 2 then 1 else 0 end",
    "case when satisfaction_score <= 2 and rated_at < current_date - interval '300 days' then 1 else 0 end",
)


def found_by(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in result["checks"] if check["check"] == name)


def sentences(result: dict[str, Any], name: str) -> str:
    return "\n".join(breach["what"] for breach in found_by(result, name)["breaches"])


@pytest.fixture(scope="module")
def clean(shop: Built) -> dict[str, Any]:
    return audit(home=shop.home, only=CHECKS, seconds=SECONDS)


@pytest.fixture(scope="module")
def faulty(world: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The random world, built and audited with a project that has all three faults."""
    home, folder = tmp_path_factory.mktemp("faulty-home"), tmp_path_factory.mktemp("project")
    project = planted(folder / "dbt_project", NO_KNOWN_AT, *FINAL_STATUS, WALL_CLOCK)
    ingest(str(world.raw), home=home, max_rejected=0.0)
    build(home=home, project=project)
    return audit(home=home, only=CHECKS, seconds=SECONDS, project=project)


def test_a_clean_shop_raises_nothing(clean: dict[str, Any]) -> None:
    assert clean["passed"]
    assert clean["not_checked"] == []
    assert [(one["check"], one["breaches"]) for one in clean["checks"]] == [("poison", []), ("replay", [])]
    assert all(one["compared"] > 100_000 for one in clean["checks"])


def test_a_clean_world_raises_nothing(world: Built) -> None:
    result = audit(home=world.home, only=("poison",), seconds=SECONDS, seed=3)
    assert result["passed"]
    assert result["checks"][0]["breaches"] == []
    assert "250 customers" in result["checks"][0]["sampled"]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("feature", ["orders_placed_lifetime", "discount_365d"])
def test_a_feature_that_sees_the_future_is_named(faulty: dict[str, Any], check: str, feature: str) -> None:
    breaches = [
        one for one in found_by(faulty, check)["breaches"] if one["example"].get("feature") == feature
    ]
    assert len(breaches) == 1
    assert breaches[0]["what"].startswith(f"feat_customer_orders.{feature} ")
    assert breaches[0]["count"] >= 1
    assert breaches[0]["example"]["before"] != breaches[0]["example"]["after"]


def test_a_feature_that_reads_the_wall_clock_is_named(faulty: dict[str, Any]) -> None:
    said = sentences(faulty, "replay")
    assert "feat_customer_support.low_ratings_365d is another in a build as of an instant" in said
    assert "feat_customer_support reads the wall clock (current_date)" in said


def test_nothing_else_is_named(faulty: dict[str, Any]) -> None:
    faults = {"orders_placed_lifetime", "discount_365d", "low_ratings_365d"}
    breaches = [one for check in CHECKS for one in found_by(faulty, check)["breaches"]]
    stored = [one["example"] for one in breaches if one["what"].startswith("feat_")]
    assert {example["feature"] for example in stored if "feature" in example} == faults


def test_the_audit_of_a_fault_does_not_pass(faulty: dict[str, Any]) -> None:
    assert not faulty["passed"]
    assert [one["passed"] for one in faulty["checks"]] == [False, False]
