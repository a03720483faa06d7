"""``materialize`` and ``materialize-incremental`` as Feast's own commands call them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.ml.featurestore.retrieve_rows import offline, online
from tests.ml.featurestore.small_build import ORDER_ROWS, write_build

pytestmark = pytest.mark.usefixtures("each_store")

PURCHASE = datetime(2024, 3, 1, 10, 11, 12, 123456, tzinfo=UTC)
CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654, tzinfo=UTC)
AFTER = datetime(2024, 4, 5, tzinfo=UTC)
EVERYBODY = ["ann", "nil", "old"]


def same(home: Path, instant: datetime) -> bool:
    plain = instant.replace(tzinfo=None)
    return online(home, EVERYBODY, plain) == offline(home, EVERYBODY, plain)


def written(store, monkeypatch) -> list[str]:
    """The customers written from now on, in order."""
    kind, names = type(store.provider.online_store), []
    for way in ("write", "load"):
        monkeypatch.setattr(kind, way, noting(getattr(kind, way), names))
    return names


def noting(write, names: list):
    def noted(self, config, view, rows):
        rows = list(rows)
        names.extend(row[0] for row in rows)
        write(self, config, view, iter(rows))

    return noted


def test_the_first_increment_takes_customers_whose_last_change_is_years_old(home: Path, store) -> None:
    store.materialize_incremental(PURCHASE)

    assert [row["last_order_at"] is not None for row in online(home, ["old"], AFTER)] == [True]
    assert same(home, PURCHASE)


def test_later_increments_write_only_what_changed(home: Path, store, monkeypatch) -> None:
    store.materialize_incremental(PURCHASE)
    names = written(store, monkeypatch)
    store.materialize_incremental(CLOCK)

    assert names == ["ann"]
    assert same(home, CLOCK)


def test_a_start_after_the_gap_is_moved_back(home: Path, store) -> None:
    store.materialize(datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 15, tzinfo=UTC))
    store.materialize(CLOCK, AFTER)

    assert same(home, AFTER)


def test_a_window_that_ends_later_decays_when_its_time_has_come(home: Path, store) -> None:
    store.materialize_incremental(CLOCK)
    assert online(home, ["ann"], CLOCK)[0]["orders_30d"] == 2

    store.materialize_incremental(AFTER)
    assert online(home, ["ann"], AFTER)[0]["orders_30d"] == 0


def test_materializing_the_past_changes_nothing(home: Path, store) -> None:
    store.materialize_incremental(AFTER)
    store.materialize(datetime(2000, 1, 1, tzinfo=UTC), PURCHASE)
    assert same(home, AFTER)

    store.materialize_incremental(AFTER + timedelta(days=1))
    assert same(home, AFTER)


def test_a_new_build_wins_on_the_same_event_timestamp(home: Path, store) -> None:
    from ml.featurestore.repository import apply_definitions

    store.materialize_incremental(CLOCK)
    corrected = [
        ("ann", row[1], 7, *row[3:]) if row[:2] == ("ann", ORDER_ROWS[2][1]) else row for row in ORDER_ROWS
    ]
    write_build(home, "build-000002", order_rows=corrected)
    apply_definitions(store, home)
    store.materialize_incremental(CLOCK)

    assert online(home, ["ann"], CLOCK)[0]["orders_30d"] == 7
    assert same(home, CLOCK)


def test_a_failure_half_way_leaves_what_was_there(home: Path, store, monkeypatch) -> None:
    store.materialize_incremental(PURCHASE)
    before = online(home, EVERYBODY, PURCHASE)
    kind = type(store.provider.online_store)
    mark = kind.mark

    def failing(self, config, view, until):
        if view.name == "feat_customer_profile":
            raise OSError("disk full")
        mark(self, config, view, until)

    monkeypatch.setattr(kind, "mark", failing)
    with pytest.raises(OSError, match="disk full"):
        store.materialize_incremental(AFTER)
    monkeypatch.undo()

    assert online(home, EVERYBODY, PURCHASE) == before
    store.materialize_incremental(AFTER)
    assert same(home, AFTER)


def test_rows_in_the_middle_of_a_second_keep_their_order(home: Path, store) -> None:
    store.materialize_incremental(CLOCK)
    rows = pd.DataFrame(
        {
            "customer_id": ["ann"],
            "event_timestamp": [pd.Timestamp(CLOCK) - pd.Timedelta(microseconds=1)],
            "orders_30d": [99],
            "spend_30d": [0.0],
            "last_order_at": [None],
        }
    )
    store.write_to_online_store("feat_customer_orders", rows)

    assert online(home, ["ann"], CLOCK)[0]["orders_30d"] == 2
