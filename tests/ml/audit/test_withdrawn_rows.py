"""The audit of a world with withdrawn rows and lines with a clock: clean, and with faults planted."""

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
# A deletion counts from when the row was deleted, though nobody knew it yet.
DELETED_TOO_EARLY = Fault(
    "macros/versions.sql",
    '{{ known_from("deleted_at", known_at) }} as deletion_known_at',
    "deleted_at as deletion_known_at",
)
CUSTOMER_DELETED_TOO_EARLY = Fault(
    "models/staging/stg_customers.sql",
    '{{ or_merged(known_from("deleted_at", "known_at")) }} as deletion_known_at',
    "deleted_at as deletion_known_at",
)
# A line counts from when its order was known, whenever it was loaded.
LINE_TOO_EARLY = Fault(
    "models/intermediate/int_order_line_facts.sql",
    "greatest(orders.known_at, items.known_at) as known_at",
    "orders.known_at",
)
# An order that was deleted still counts for labels.
LABELS_KEEP_DELETED = Fault(
    "macros/labels_at_cutoffs.sql",
    'has_not_come("orders.superseded_at")',
    '"orders.next_known_at is null"',
)
NEXT_KNOWN = Fault(
    "models/intermediate/int_order_facts.sql",
    "        orders.superseded_at,\n",
    "        orders.superseded_at,\n        orders.next_known_at,\n",
)
NO_TEST = Fault(
    "tests/labels_agree_with_orders.sql", "where (churned = 1) != (orders_ahead = 0)", "where false"
)
NO_VALUE_TEST = Fault("tests/values_agree_with_orders.sql", "where label != kept_spend", "where false")
STAGED = Fault(
    "models/staging/stg_orders.sql", "    superseded_at,\n", "    superseded_at,\n    next_known_at,\n"
)


def breaches_of(result: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return next(check["breaches"] for check in result["checks"] if check["check"] == name)


def test_a_world_with_withdrawn_rows_has_no_breach(withdrawn: Built) -> None:
    result = audit(home=withdrawn.home, only=("labels", "windows", "poison", "replay"), seconds=SECONDS)
    assert [breach["what"] for check in result["checks"] for breach in check["breaches"]] == []
    assert result["not_checked"] == []


@pytest.fixture(scope="module")
def faulty(withdrawn: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home, folder = tmp_path_factory.mktemp("faulty-home"), tmp_path_factory.mktemp("project")
    faults = (
        DELETED_TOO_EARLY,
        CUSTOMER_DELETED_TOO_EARLY,
        LINE_TOO_EARLY,
        LABELS_KEEP_DELETED,
        NEXT_KNOWN,
        STAGED,
        NO_TEST,
        NO_VALUE_TEST,
    )
    project: Path = planted(folder / "dbt_project", *faults)
    ingest(str(withdrawn.raw), home=home, max_rejected=0.0)
    build(home=home, project=project)
    return audit(home=home, only=("labels", "poison"), seconds=SECONDS, project=project)


def test_a_deletion_that_counts_before_it_is_known_is_named(faulty: dict[str, Any]) -> None:
    named = {breach["example"].get("feature") for breach in breaches_of(faulty, "poison")}
    assert {"orders_placed_lifetime", "last_order_at", "city", "tickets_365d"} <= named


def test_a_line_that_counts_before_it_is_known_is_named(faulty: dict[str, Any]) -> None:
    named = {breach["example"].get("feature") for breach in breaches_of(faulty, "poison")}
    assert {"items_90d", "items_365d"} <= named


def test_labels_that_keep_deleted_orders_are_named(faulty: dict[str, Any]) -> None:
    found = " ".join(breach["what"] for breach in breaches_of(faulty, "labels"))
    assert "says churned = 0" in found
    assert "next order deleted in the end" in found
