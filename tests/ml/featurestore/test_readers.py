"""Feast's readers while builds are published, removed and gone back to."""

import gc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml.common.errors import FeatureError, NotOnlineError
from ml.featurestore.online.read import PAUSE, TRIES, OnlineReader
from ml.featurestore.repository import apply_definitions, open_store
from ml.home.read_leases import remove_unless_read
from tests.ml.featurestore.small_build import (
    ORDER_ROWS,
    ORDERS,
    PROFILE,
    PROFILE_ROWS,
    fill_build,
    write_build,
)

pytestmark = pytest.mark.usefixtures("each_store")

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654, tzinfo=UTC)
WIDER = ORDERS | {"columns": ORDERS["columns"] | {"note": "VARCHAR"}}


def history(store) -> Any:
    """A question to the build that was applied, not answered yet."""
    rows = pd.DataFrame({"customer_id": ["ann"], "event_timestamp": [CLOCK]})
    return store.get_historical_features(rows, store.get_feature_service("churn"))


def test_a_build_stays_until_the_question_to_it_is_answered(home: Path, store) -> None:
    build = home / "builds" / "build-000001"
    job = history(store)
    assert not remove_unless_read(build)
    assert job.to_df()["orders_30d"].tolist() == [2]

    del job
    gc.collect()
    assert remove_unless_read(build)
    assert not build.exists()


def test_a_build_that_is_gone_is_named_with_what_to_do(home: Path, store) -> None:
    write_build(home, "build-000002")
    remove_unless_read(home / "builds" / "build-000001")
    for ask in (lambda: history(store), lambda: store.materialize_incremental(CLOCK)):
        with pytest.raises(FeatureError, match="build-000001 is no longer there: run 'feast apply'"):
            ask()

    apply_definitions(store, home)
    assert history(store).to_df()["orders_30d"].tolist() == [2]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a reader waited, each time."""
    waited: list[float] = []
    monkeypatch.setattr("ml.featurestore.online.read.time.sleep", waited.append)
    return waited


def orders(reader: OnlineReader) -> int:
    return reader.features(["ann"], CLOCK)[0]["orders_30d"]


def test_a_registry_ahead_of_the_values_is_waited_for_and_then_accepted(
    home: Path, store, pauses: list[float]
) -> None:
    """As when somebody applies a newer build by hand and does not materialize it."""
    store.materialize_incremental(CLOCK)
    reader = OnlineReader(home)
    assert (orders(reader), pauses) == (2, [])

    write_build(home, "build-000002", [(*row[:2], 7, *row[3:]) for row in ORDER_ROWS])
    apply_definitions(open_store(home), home)
    assert (orders(reader), pauses) == (2, [PAUSE] * TRIES)
    assert (orders(reader), pauses) == (2, [PAUSE] * TRIES)

    open_store(home).materialize_incremental(CLOCK)
    assert (orders(reader), pauses) == (7, [PAUSE] * TRIES)


def test_a_column_that_is_not_there_yet_is_never_answered_with_its_name(
    home: Path, store, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes a name in double quotes that it does not know for a text."""
    import sqlite3

    store.materialize_incremental(CLOCK)
    build = home / "builds" / "build-000002"
    rows = [(*row, "noted") for row in ORDER_ROWS]
    fill_build(build, [(WIDER, rows), (PROFILE, PROFILE_ROWS)])
    monkeypatch.setattr("ml.featurestore.online.store.WholeRowOnlineStore.update", lambda *_, **__: None)
    apply_definitions(open_store(home), build=build)
    with pytest.raises((sqlite3.OperationalError, NotOnlineError), match=r"no (such )?column:? .*note"):
        orders(OnlineReader(home))
    assert pauses == [PAUSE] * TRIES

    monkeypatch.undo()
    apply_definitions(open_store(home), build=build)
    assert OnlineReader(home).features(["ann"], CLOCK)[0]["note"] is None
