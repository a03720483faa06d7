"""History: newer facts leave it alone; a row that comes late without a clock is named with file and row."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ml.audit.all_checks import audit
from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build
from tests.reference.random_facts import END
from tests.reference.worlds import Row, write_world
from tests.worlds import Built

LATE = datetime(2023, 5, 5)
NEXT = END + timedelta(days=1)


def history(home: Path) -> dict[str, Any]:
    result = audit(home=home, only=("history",))
    return {**result["checks"][0], "build_id": result["build_id"]}


def appended(home: Path, folder: Path, tables: Mapping[str, list[Row]]) -> None:
    """Append rows and build."""
    ingest(str(write_world(folder, dict(tables))), home=home, append=True, max_rejected=0.0)
    build(home=home)


def order(order_id: str, ordered_at: datetime, **more: Any) -> Row:
    return {
        "order_id": order_id,
        "customer_id": "c0007",
        "ordered_at": ordered_at,
        "total_amount": Decimal(50),
        **more,
    }


@pytest.fixture(scope="module")
def grown(world: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random world, then a day of facts that say when they were known."""
    home: Path = shutil.copytree(world.home, tmp_path_factory.mktemp("grown") / "home", symlinks=True)
    rows = [order("new", NEXT), order("late", LATE, loaded_at=NEXT)]
    appended(home, tmp_path_factory.mktemp("next-day"), {"orders": rows})
    return home


@pytest.fixture(scope="module")
def moved(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Then two rows from long ago that do not: an order, and an item of an order known since."""
    home = shutil.copytree(grown, tmp_path_factory.mktemp("moved") / "home", symlinks=True)
    item = {"order_id": "late", "line_number": 1, "product_id": "p", "quantity": Decimal(2)}
    rows = [order("fine", NEXT + timedelta(days=1)), order("unclocked", LATE)]
    tables = {"orders": rows, "order_items": [{**item, "unit_price": Decimal(1), "category": "cheese"}]}
    appended(home, tmp_path_factory.mktemp("unclocked"), tables)
    return history(home)


def breaches_of(found: dict[str, Any], start: str) -> list[dict[str, Any]]:
    return [breach for breach in found["breaches"] if breach["what"].startswith(start)]


def test_the_first_build_has_nothing_to_be_compared_with(world: Built) -> None:
    found = history(world.home)
    assert (found["passed"], found["skipped"]) == (False, "there is no earlier build to compare with")


def test_rows_without_a_clock_are_counted(world: Built) -> None:
    notes = " ".join(history(world.home)["notes"])
    for table in ("customers", "orders", "support tickets", "sessions"):
        assert f" {table} have a row without" in notes


def test_newer_facts_move_nothing(grown: Path) -> None:
    found = history(grown)
    assert (found["passed"], found["breaches"], found["sampled"]) == (True, [], "")
    assert found["compared"] > 10_000
    assert found["detail"].startswith("equal to build-000001 up to 2025-06-01T00:00:00Z")


def test_what_both_builds_share_is_counted(grown: Path) -> None:
    first, second = (Home.at(grown).builds / name / "features" for name in ("build-000001", "build-000002"))
    inodes = {file.stat().st_ino for file in first.rglob("*.parquet")}
    assert inodes & {file.stat().st_ino for file in second.rglob("*.parquet")}
    assert "cells of them in files that both share" in history(grown)["detail"]


def test_a_late_row_without_a_clock_moves_history(moved: dict[str, Any]) -> None:
    assert not moved["passed"]
    spend = breaches_of(moved, "feat_customer_orders.spend_lifetime is not what build-000002 had")
    assert [breach["example"]["customer_id"] for breach in spend] == ["c0007"]
    assert spend[0]["example"]["instant"] == LATE


def test_it_is_named_with_file_and_row(moved: dict[str, Any]) -> None:
    (named,) = breaches_of(moved, "orders: ")
    assert "1 row without loaded_at" in named["what"]
    assert named["what"].endswith("came only after build-000002 was made: row 2 of orders.parquet")
    assert named["example"] == {
        "customer_id": "c0007",
        "table": "orders",
        "file": "orders.parquet",
        "row": 2,
        "known_at": LATE,
    }


def test_an_item_of_an_order_known_before_is_named(moved: dict[str, Any]) -> None:
    (named,) = breaches_of(moved, "order_items: ")
    assert "without loaded_at, so that they count as known since their order was" in named["what"]
    assert named["what"].endswith("row 1 of order_items.parquet")


def test_other_customers_are_not_named(moved: dict[str, Any]) -> None:
    assert {breach["example"]["customer_id"] for breach in moved["breaches"]} == {"c0007"}
