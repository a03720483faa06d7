"""Two loads of one online store at once: one waits for the other, and the store is whole."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.common.errors import FeatureError
from ml.featurestore.repository import open_store
from tests.ml.featurestore.retrieve_rows import online

EARLY = datetime(2024, 2, 1, tzinfo=UTC)
LATE = datetime(2024, 3, 31, 10, 11, 12, 123456, tzinfo=UTC)


@pytest.mark.usefixtures("each_store")
def test_a_second_load_waits_until_the_first_is_seen(home: Path, store) -> None:
    first, second = open_store(home), open_store(home)
    begun, done = threading.Event(), threading.Event()

    def load() -> None:
        begun.set()
        second.materialize_incremental(LATE)
        done.set()

    other = threading.Thread(target=load)
    with first.provider.online_store.alone(first.config):
        other.start()
        assert begun.wait(10)
        assert not done.wait(0.5)
        first.materialize_incremental(EARLY)
        assert online(home, ["ann"], EARLY)[0]["orders_30d"] == 0
    other.join(60)
    assert done.is_set()
    assert online(home, ["ann"], LATE)[0]["orders_30d"] == 1


def test_without_the_wait_the_second_would_not(home: Path, store, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr("ml.featurestore.online.sqlite_backend.locked", lambda path: nullcontext())
    first, second = open_store(home), open_store(home)
    done = threading.Event()

    def load() -> None:
        second.materialize_incremental(LATE)
        done.set()

    other = threading.Thread(target=load)
    with first.provider.online_store.alone(first.config):
        other.start()
        assert done.wait(60)
    other.join(60)


def test_a_push_without_an_event_timestamp_is_refused(home: Path, store) -> None:
    import pandas as pd

    store.materialize_incremental(EARLY)
    row = {"customer_id": ["ann"], "event_timestamp": [pd.NaT], "orders_30d": [9]}
    row |= {"spend_30d": [0.0], "last_order_at": [None]}
    with pytest.raises((FeatureError, ValueError)):
        store.write_to_online_store("feat_customer_orders", pd.DataFrame(row))
    assert online(home, ["ann"], EARLY)[0]["orders_30d"] == 0
