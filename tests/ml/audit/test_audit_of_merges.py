"""The audit of a world in which customers merge: clean, and with merges that are planted wrong."""

from pathlib import Path
from typing import Any

import pytest

from ml.audit.all_checks import audit
from ml.ingest import ingest
from ml.warehouse import build
from tests.ml.audit.planted import Fault, planted
from tests.worlds import Built

pytestmark = pytest.mark.subjects("ml/audit", "dbt_project")

SECONDS = 40
CHECKS = ("ledger", "labels", "windows", "poison", "replay", "clocks")
# A merge moves what is a customer's 200 days before anybody recorded it.
MOVED_TOO_EARLY = Fault(
    "macros/merges.sql",
    "            {{ table.recorded_at }} as merged_at\n",
    "            {{ days_before(table.recorded_at, 200) }} as merged_at\n",
)
# Labels count the orders of the customer's own key alone.
LABELS_OF_KEYS = Fault(
    "macros/labels_at_cutoffs.sql", "    {{ or_orders_of_final_owners(is_finally_kept) }}\n", ""
)
NO_TEST = Fault(
    "tests/labels_agree_with_orders.sql", "where (churned = 1) != (orders_ahead = 0)", "where false"
)
NO_VALUE_TEST = Fault("tests/values_agree_with_orders.sql", "where label != kept_spend", "where false")


def breaches_of(result: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return next(check["breaches"] for check in result["checks"] if check["check"] == name)


def audited(merged: Built, folder: Path, checks: tuple[str, ...], *faults: Fault) -> dict[str, Any]:
    """The audit of the world as a project with faults builds it."""
    project, home = planted(folder / "dbt_project", *faults), folder / "home"
    ingest(str(merged.raw), home=home, max_rejected=0.0)
    build(home=home, project=project)
    return audit(home=home, only=checks, seconds=SECONDS, project=project)


def test_a_world_with_merges_has_no_breach(merged: Built) -> None:
    result = audit(home=merged.home, only=CHECKS, seconds=SECONDS)
    assert [breach["what"] for check in result["checks"] for breach in check["breaches"]] == []
    assert result["not_checked"] == []


def test_merges_that_count_before_they_are_recorded_are_named(merged: Built, tmp_path: Path) -> None:
    result = audited(merged, tmp_path, ("ledger", "labels", "replay"), MOVED_TOO_EARLY, NO_TEST)
    named = {breach["example"].get("feature") for breach in breaches_of(result, "replay")}
    assert {"orders_lifetime", "orders_placed_lifetime", "city"} <= named
    begins = "begins at another instant than the first known fact"
    assert any(begins in breach["what"] for breach in breaches_of(result, "ledger"))
    assert any("lacks" in breach["what"] for breach in breaches_of(result, "labels"))


def test_labels_without_the_orders_of_the_final_owner_are_named(merged: Built, tmp_path: Path) -> None:
    result = audited(merged, tmp_path, ("labels",), LABELS_OF_KEYS, NO_TEST, NO_VALUE_TEST)
    found = " ".join(breach["what"] for breach in breaches_of(result, "labels"))
    assert "says churned = 1" in found
