"""The first three invariants: no future, replay, history stands still."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.reference.compare import compare
from tests.reference.entity_rows import asked_rows
from tests.reference.labels import reference_labels
from tests.reference.raw import VERSIONED
from tests.reference.worlds import Row, World, random_world, write_world
from tests.worlds import Built, built

CLOCK = datetime(2024, 1, 15, 6, 30, 0, 1)
LATER = CLOCK + timedelta(microseconds=1)
MODELS = (
    "feat_customer_orders",
    "feat_customer_support",
    "feat_customer_engagement",
    "feat_customer_profile",
)


def poisoned(world: World) -> World:
    """The world with absurd facts, corrections and losses that become known just after the clock."""
    made = {table: list(rows) for table, rows in world.items()}
    for number, (customer, first_version) in enumerate(registered(world).items()):
        made["orders"].append(
            {
                "order_id": f"absurd-{number}",
                "customer_id": customer,
                "ordered_at": LATER,
                "total_amount": Decimal(99_999_999),
            }
        )
        made["order_items"].append(
            {
                "order_id": f"absurd-{number}",
                "line_number": 1,
                "product_id": "p",
                "category": f"absurd {number}",
                "quantity": Decimal(1_000_000),
                "unit_price": Decimal(1),
            }
        )
        made["sessions"].append(
            {
                "session_id": f"absurd-{number}",
                "customer_id": customer,
                "started_at": CLOCK - timedelta(days=1),
                "page_views": 10**9,
                "loaded_at": LATER,
            }
        )
        made["customers"].append({**first_version, "city": "Absurdia", "updated_at": LATER})
    for table, change in (
        ("orders", {"total_amount": Decimal(-5), "cancelled_at": LATER}),
        ("support_tickets", {"resolved_at": None, "satisfaction_score": 1}),
    ):
        key, occurred = VERSIONED[table][0], VERSIONED[table][1]
        known = {row[key]: row for row in world[table] if row[occurred] <= CLOCK}
        told = {(row[key], row.get("loaded_at")) for row in world[table]}
        made[table] += [
            {**row, **change, "loaded_at": LATER} for row in known.values() if (row[key], LATER) not in told
        ]
    return made


def registered(world: World) -> dict[str, Row]:
    """The earliest version of each customer who had registered by the clock, in the order of their keys."""
    versions = sorted(
        world["customers"], key=lambda row: row.get("updated_at") or row["registered_at"], reverse=True
    )
    earliest = {row["customer_id"]: row for row in versions}
    return {
        customer: earliest[customer]
        for customer in sorted(earliest)
        if earliest[customer]["registered_at"] <= CLOCK
    }


@pytest.fixture(scope="module")
def clean_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("clean"), random_world(8, customers=150))


@pytest.fixture(scope="module")
def poisoned_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("poisoned"), poisoned(random_world(8, customers=150)))


@pytest.fixture(scope="module")
def clean(clean_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(clean_raw, tmp_path_factory.mktemp("clean-home"), max_rejected=0.0)


@pytest.fixture(scope="module")
def with_poison(poisoned_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(poisoned_raw, tmp_path_factory.mktemp("poisoned-home"), max_rejected=0.0)


@pytest.fixture(scope="module")
def as_it_stood(poisoned_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(poisoned_raw, tmp_path_factory.mktemp("replay-home"), as_of=CLOCK, max_rejected=0.0)


def past_rows(made: Built):
    """Entity rows up to the clock, the clock itself among them."""
    asked = asked_rows(made.raw, 1000, seed=4, max_edges=4000)
    return asked.filter(pc.less_equal(asked["event_timestamp"], CLOCK))


def differing(made: Built, other: Built) -> list:
    asked = past_rows(made)
    assert asked.num_rows > 1500
    expected = made.features(asked)
    names = [name for name in expected.column_names if name not in ("customer_id", "event_timestamp")]
    comparison = compare(expected, other.features(asked), features=names)
    assert comparison.cells == asked.num_rows * len(names)
    return comparison.differences


def history(made: Built, model: str) -> set[tuple]:
    files = made.build / "features" / model / "*.parquet"
    return set(duckdb.sql(f"select * from '{files}' where event_timestamp <= timestamp '{CLOCK}'").fetchall())


def test_the_future_moves_nothing(clean: Built, with_poison: Built) -> None:
    assert differing(clean, with_poison) == []


def test_features_as_of_then_equal_features_then(clean: Built, as_it_stood: Built) -> None:
    assert differing(clean, as_it_stood) == []


@pytest.mark.parametrize("model", MODELS)
def test_newer_data_changes_no_row_up_to_the_older_clock(
    model: str, as_it_stood: Built, with_poison: Built
) -> None:
    before, after = history(as_it_stood, model), history(with_poison, model)
    assert len(before) > 150
    assert before == after


def test_the_poison_is_there(with_poison: Built, as_it_stood: Built) -> None:
    asked = past_rows(as_it_stood)
    just_after = asked.set_column(
        1, "event_timestamp", pa.array([LATER] * asked.num_rows, pa.timestamp("us"))
    )
    assert pc.max(as_it_stood.features(just_after)["spend_7d"]).as_py() < 99_999_999
    assert pc.max(with_poison.features(just_after)["spend_7d"]).as_py() >= 99_999_999


def test_labels_as_of_then(as_it_stood: Built, poisoned_raw: Path) -> None:
    expected = reference_labels(poisoned_raw, CLOCK)
    files = as_it_stood.build / "labels" / "label_customer_churn" / "*.parquet"
    found = set(duckdb.sql(f"select customer_id, event_timestamp, churned from '{files}'").fetchall())
    assert len(found) > 300
    assert found == {(customer, at.replace(tzinfo=None), churned) for customer, at, churned in expected}
