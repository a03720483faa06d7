"""The SQLite file under the online store: whole states, columns that come and go, many keys."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.featurestore.online.store import WholeRowOnlineStore, connect_at_rest
from tests.ml.featurestore.retrieve_rows import online

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654, tzinfo=UTC)


@pytest.fixture
def no_room() -> Callable[[], AbstractContextManager[None]]:
    """While it holds no file can grow."""

    @contextmanager
    def limited() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def test_a_reader_sees_the_state_before_until_the_writer_is_done(home: Path, store) -> None:
    store.materialize_incremental(CLOCK)
    before, view = online(home, ["ann"], CLOCK), store.get_feature_view("feat_customer_orders")
    writer = WholeRowOnlineStore()

    with writer.transaction(store.config) as transaction:
        transaction.execute(f'delete from "{view.name}"')
        assert online(home, ["ann"], CLOCK) == before

    assert online(home, ["ann"], CLOCK)[0]["orders_30d"] is None


def test_one_request_reads_one_state_of_all_views(home: Path, store) -> None:
    store.materialize_incremental(CLOCK)
    reader, writer = WholeRowOnlineStore(), WholeRowOnlineStore()
    views = store.list_batch_feature_views()

    with reader.snapshot(store.config) as connection:
        assert connection.execute('select count(*) from "feat_customer_orders"').fetchone() == (3,)
        for view in views:
            with writer.transaction(store.config) as transaction:
                transaction.execute(f'delete from "{view.name}"')
        assert [reader.count(store.config, view) for view in views] == [3, 3]

    assert [reader.count(store.config, view) for view in views] == [0, 0]


def test_a_full_disk_hinders_no_reader(home: Path, store, no_room) -> None:
    store.materialize_incremental(CLOCK)
    store.provider.online_store.backend(store.config)._open.opened.connection.close()
    with no_room(), WholeRowOnlineStore().snapshot(store.config) as connection:
        assert connection.execute('select count(*) from "feat_customer_orders"').fetchone() == (3,)
    with no_room():
        assert "feat_customer_orders" in WholeRowOnlineStore().sources(store.config)


def test_a_full_disk_hides_no_change_that_is_still_in_the_log(home: Path, store) -> None:
    store.materialize_incremental(CLOCK)
    path = WholeRowOnlineStore().backend(store.config).path
    assert path.with_name(f"{path.name}-wal").stat().st_size
    with pytest.raises(sqlite3.OperationalError, match="free some space"):
        connect_at_rest(path)


def test_asking_before_anything_is_online_says_what_to_do(home: Path) -> None:
    from ml.featurestore.repository import open_store

    config = open_store(home).config
    with (
        pytest.raises(FileNotFoundError, match="run 'churn materialize' first"),
        WholeRowOnlineStore().snapshot(config),
    ):
        pass


@pytest.mark.usefixtures("each_store")
def test_more_keys_than_sqlite_takes_in_one_query(home: Path, store) -> None:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    store.materialize_incremental(CLOCK)
    names = [*(f"nobody-{number}" for number in range(40_000)), "ann"]
    keys = [EntityKey(join_keys=["customer_id"], entity_values=[Value(string_val=name)]) for name in names]
    view = store.get_feature_view("feat_customer_orders")
    answers = store.provider.online_store.online_read(store.config, view, keys, ["orders_30d"])

    assert answers[:-1] == [(None, None)] * 40_000
    assert answers[-1] == (CLOCK, {"orders_30d": Value(int64_val=2)})


@pytest.mark.usefixtures("each_store")
def test_a_changed_column_is_filled_by_the_next_increment(home: Path, store) -> None:
    from feast import Field
    from feast.types import Float64, Int64

    from ml.featurestore.repository import apply_definitions

    store.materialize_incremental(CLOCK)
    view = store.get_feature_view("feat_customer_orders")
    held = store.provider.online_store
    view.features = [Field(name="orders_30d", dtype=Float64), Field(name="fresh", dtype=Int64)]
    held.update(store.config, [], [view], [], [], True)
    assert held.watermark(store.config, view) is None

    apply_definitions(store, home)
    held.update(store.config, [], [store.get_feature_view("feat_customer_orders")], [], [], True)
    store.materialize_incremental(CLOCK)
    assert online(home, ["ann"], CLOCK)[0]["orders_30d"] == 2
