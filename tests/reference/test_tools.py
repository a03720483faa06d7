"""The tools around the reference: random worlds, entity rows and the comparison."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.reference.brute_force import reference_features
from tests.reference.compare import Difference, compare
from tests.reference.entity_rows import asked_rows
from tests.reference.labels import data_clock
from tests.reference.random_facts import END
from tests.reference.raw import VERSIONED
from tests.reference.worlds import latest_instant, random_world, write_world


@pytest.fixture(scope="module", params=range(3))
def seed(request):
    return request.param


def test_random_worlds_obey_the_contract(seed):
    world = random_world(seed)
    known = {row["customer_id"] for row in world["customers"]}
    for table, (key, occurred) in VERSIONED.items():
        versions = {}
        for row in world[table]:
            content = {name: value for name, value in row.items() if name != "loaded_at"}
            assert row["customer_id"] in known
            assert versions.setdefault((row[key], row.get("loaded_at") or row[occurred]), content) == content
            assert versions.setdefault(row[key], row[occurred]) == row[occurred]
    tickets = [row for row in world["support_tickets"] if row["resolved_at"]]
    assert all(row["resolved_at"] >= row["opened_at"] for row in tickets)
    assert {row["order_id"] for row in world["order_items"]} <= {row["order_id"] for row in world["orders"]}


def test_random_worlds_end_at_the_same_instant(seed, tmp_path):
    world = random_world(seed)
    assert latest_instant(world) == END == data_clock(write_world(tmp_path, world))
    assert world == random_world(seed)


def test_rows_known_later_change_nothing(seed, tmp_path):
    """What was known at `t` is the same in a world that has no row known after `t`."""
    world, t = random_world(seed), datetime(2023, 3, 6)
    past = {table: [row for row in rows if _known_at(table, row) <= t] for table, rows in world.items()}
    who = sorted({row["customer_id"] for row in past["customers"]})
    past["order_items"] = world["order_items"]
    asked = pa.table({"customer_id": who, "event_timestamp": [t] * len(who)})
    now = reference_features(write_world(tmp_path / "now", world), asked)
    then = reference_features(write_world(tmp_path / "then", past), asked)
    assert compare(now, then).differences == []


def _known_at(table, row):
    if table == "order_items":
        return datetime.min
    if table == "customers":
        return min(row["registered_at"], row["updated_at"] or row["registered_at"])
    occurred = row[VERSIONED[table][1]]
    return max(occurred, row.get("loaded_at") or occurred)


def test_asked_rows_cover_every_kind_of_edge_and_its_sides(seed, tmp_path):
    folder = write_world(tmp_path, random_world(seed))
    asked = asked_rows(folder, n_random=100, seed=seed, max_edges=600)
    kinds = set(asked["asked_because"].to_pylist())
    sides = {kind.rstrip("+-") for kind in kinds} - {"random", "unknown"}
    assert {f"orders: leaves_{w}d" for w in (7, 30, 90, 365)} | {
        "sessions: known",
        "customers: updated_at",
    } <= sides
    assert all({kind, f"{kind}-", f"{kind}+"} <= kinds for kind in sides)
    assert asked.num_rows == (100 + 600 + 10) + 700 // 20
    assert asked.equals(asked_rows(folder, n_random=100, seed=seed, max_edges=600))


def test_equal_tables_have_no_differences():
    zoned = pa.array([datetime(2023, 1, 1, tzinfo=UTC), None], pa.timestamp("ns", tz="UTC"))
    expected = pa.table(
        {"x": [Decimal("1.50"), None], "t": [datetime(2023, 1, 1), None], "f": [0.1 + 0.2, None]}
    )
    actual = pa.table({"f": [0.3, None], "t": zoned, "x": [1.5, None], "more": [1, 2]})
    assert compare(expected, actual) == ([], 6)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (1, 2),
        (0, None),
        (None, 0),
        (None, float("nan")),
        (1.0, float("nan")),
        (1.0, 1.0 + 1e-11),
        (0.0, 1e-30),
        (True, 1),
        ("a", "A"),
        (Decimal("0.1000"), Decimal("0.1001")),
        (Decimal("0.1"), 0.1),
        (datetime(2023, 1, 1), datetime(2023, 1, 1, 0, 0, 0, 1)),
        (datetime(2023, 1, 1).date(), datetime(2023, 1, 1)),
    ],
)
def test_a_differing_cell_is_told(wanted, given):
    found = compare(pa.table({"x": [wanted]}), pa.table({"x": [given]}))
    assert len(found.differences) == found.cells == 1
    assert found.differences[0][:3] == Difference(0, "x", wanted, given)[:3]


def test_other_rows_or_missing_columns_cannot_be_compared():
    with pytest.raises(ValueError, match="2 rows expected, 1 given"):
        compare(pa.table({"x": [1, 2]}), pa.table({"x": [1]}))
    with pytest.raises(ValueError, match="columns missing: x"):
        compare(pa.table({"x": [1]}), pa.table({"y": [1]}))
