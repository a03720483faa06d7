"""Whole loads: aside in short transactions, taken up where a killed run stopped, then swapped; and pushes."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Int64, String

from ml.common.paths import ROOT
from ml.featurestore.online.read import OnlineReader
from ml.featurestore.online.store import WholeRowOnlineStore
from ml.featurestore.repository import apply_definitions
from ml.warehouse.materialize import materialize
from tests.ml.featurestore.generic_repo import store_of
from tests.ml.featurestore.retrieve_rows import offline, online
from tests.ml.featurestore.small_build import ORDER_ROWS, write_build
from tests.online_servers import table_views

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)
EARLIER = datetime(2024, 3, 1, 10, 11, 12, 500000)
EVERYBODY = ["ann", "nil", "old"]
Note = Callable[[WholeRowOnlineStore, Any, str], None]


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Note], list[str]]:
    """Batches of one row; something that is done before each, and the keys loaded so far."""
    monkeypatch.setattr("ml.featurestore.online.last_rows.BATCH_ROWS", 1)
    load, loaded = WholeRowOnlineStore.load, list[str]()

    def with_note(note: Note) -> list[str]:
        def noting(self, config, view, rows):
            rows = list(rows)
            note(self, config, view.name)
            load(self, config, view, iter(rows))
            loaded.extend(f"{view.name[14:]} {row[0]}" for row in rows)

        monkeypatch.setattr(WholeRowOnlineStore, "load", noting)
        return loaded

    return with_note


def fail_at(number: int) -> Note:
    batches = iter(range(1_000))

    def note(*_: Any) -> None:
        if next(batches) == number:
            raise OSError("the power is gone")

    return note


def tables(home: Path, url: str | None) -> list[str]:
    """The views of which the store has a table, one for each."""
    return table_views(url, home / "feast" / "online_store.db")


def test_batches_are_transactions_of_their_own(home: Path, loading) -> None:
    inside: list[bool] = []
    loading(lambda store, config, view: inside.append(store.backend(config).connection().in_transaction))
    materialize(home=home)
    materialize(home=home)
    assert inside == [False] * 12


def test_a_load_leaves_nothing_over(home: Path, loading, each_store: str | None) -> None:
    loaded = loading(lambda *_: None)
    materialize(home=home)
    materialize(home=home)

    assert loaded == [*(f"{view} {who}" for view in ("orders", "profile") for who in EVERYBODY)] * 2
    assert tables(home, each_store) == ["feat_customer_orders", "feat_customer_profile"]


@pytest.mark.usefixtures("each_store")
def test_a_stopped_load_goes_on_where_it_was_and_nobody_has_seen_it(home: Path, loading) -> None:
    materialize(home=home, as_of=EARLIER)
    write_build(home, "build-000002", [(*row[:2], row[2] + 5, *row[3:]) for row in ORDER_ROWS])
    before = online(home, EVERYBODY, EARLIER)
    loaded = loading(fail_at(4))
    with pytest.raises(OSError, match="power"):
        materialize(home=home)
    assert (online(home, EVERYBODY, EARLIER), loaded) == (
        before,
        ["orders ann", "orders nil", "orders old", "profile ann"],
    )

    loaded.clear()
    result = materialize(home=home)
    assert loaded == ["profile nil", "profile old"]
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)
    assert result["views"]["feat_customer_orders"] == {"customers": 3, "rows": 7}
    assert result["views"]["feat_customer_profile"] == {"customers": 3, "rows": 4}


@pytest.mark.usefixtures("each_store")
@pytest.mark.parametrize("change", ["instant", "build", "rows"])
def test_what_was_loaded_for_anything_else_is_dropped(home: Path, loading, change: str) -> None:
    loaded = loading(fail_at(5))
    with pytest.raises(OSError, match="power"):
        materialize(home=home)
    loaded.clear()
    if change == "build":
        write_build(home, "build-000002", [(*row[:2], row[2] + 5, *row[3:]) for row in ORDER_ROWS])
    if change == "rows":
        for file in (home / "builds" / "build-000001" / "features").rglob("*.parquet"):
            os.utime(file, ns=(0, 0))
    instant = EARLIER if change == "instant" else CLOCK
    materialize(home=home, as_of=instant)

    assert len(loaded) == 6
    assert online(home, EVERYBODY, instant) == offline(home, EVERYBODY, instant)


KILLED = """
import os, signal, sys
from ml.featurestore.online import last_rows, redis_rows
from ml.featurestore.online.read import OnlineReader
from ml.featurestore.online.store import WholeRowOnlineStore
from ml.warehouse.materialize import materialize

last_rows.BATCH_ROWS, redis_rows.LOCK_SECONDS = 1, 1
place, batches = sys.argv[2], []
do = {name: getattr(WholeRowOnlineStore, name) for name in ("load", "swap", "mark", "tidy")}

def killing(name):
    def call(self, *rest, **named):
        batches.append(name)
        if f"{name} {batches.count(name)}" == place:
            os.kill(os.getpid(), signal.SIGKILL)
        return do[name](self, *rest, **named)
    return call

for name in do:
    setattr(WholeRowOnlineStore, name, killing(name))
materialize(home=sys.argv[1])
"""


@pytest.mark.parametrize("place", ["load 2", "load 5", "swap 1", "swap 2", "mark 2"])
def test_a_killed_run_leaves_all_as_it_was(home: Path, place: str) -> None:
    check_a_killed_run(home, place, None)


@pytest.mark.parametrize("place", ["load 5", "mark 2"])
def test_a_killed_run_leaves_a_server_as_it_was(home: Path, place: str, each_server: str) -> None:
    check_a_killed_run(home, place, each_server)


def check_a_killed_run(home: Path, place: str, each_store: str | None) -> None:
    materialize(home=home, as_of=EARLIER)
    write_build(home, "build-000002", [(*row[:2], row[2] + 5, *row[3:]) for row in ORDER_ROWS])
    before = online(home, EVERYBODY, EARLIER)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(home), place],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert online(home, EVERYBODY, EARLIER) == before

    materialize(home=home)
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)
    assert tables(home, each_store) == ["feat_customer_orders", "feat_customer_profile"]


def test_a_reader_keeps_its_state_while_tables_are_swapped_and_dropped(home: Path, store) -> None:
    store.materialize_incremental(EARLIER.replace(tzinfo=UTC))
    reader, query = (
        WholeRowOnlineStore(),
        "select orders_30d from feat_customer_orders where customer_id = 'ann'",
    )
    with reader.snapshot(store.config) as connection:
        assert connection.execute(query).fetchone() == (1,)
        write_build(home, "build-000002", [(*row[:2], row[2] + 5, *row[3:]) for row in ORDER_ROWS])
        materialize(home=home)
        assert connection.execute(query).fetchone() == (1,)
    with reader.snapshot(store.config) as connection:
        assert connection.execute(query).fetchone() == (7,)


@pytest.mark.usefixtures("each_store")
def test_a_reader_is_answered_at_every_step_of_a_load(
    home: Path, loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each batch, swap and mark the state before; when the old tables are dropped, the one after."""
    materialize(home=home, as_of=EARLIER)
    reader = OnlineReader(home)
    before, seen = reader.features(EVERYBODY, CLOCK), []
    loading(lambda *_: seen.append(reader.features(EVERYBODY, CLOCK)))
    for step in ("swap", "mark", "tidy"):
        monkeypatch.setattr(WholeRowOnlineStore, step, asking_first(step, reader, seen))
    materialize(home=home, full_refresh=True)

    after = reader.features(EVERYBODY, CLOCK)
    assert after == offline(home, EVERYBODY, CLOCK) != before
    assert seen == [before] * 11 + [after]


def asking_first(step: str, reader: OnlineReader, seen: list[Any]) -> Any:
    do = getattr(WholeRowOnlineStore, step)

    def asked(self, *rest: Any, **named: Any) -> Any:
        seen.append(reader.features(EVERYBODY, CLOCK))
        return do(self, *rest, **named)

    return asked


@pytest.mark.usefixtures("each_store")
def test_whom_a_new_build_no_longer_has_feasts_commands_remove(home: Path, store) -> None:
    store.materialize_incremental(CLOCK.replace(tzinfo=UTC))
    write_build(home, "build-000002", [row for row in ORDER_ROWS if row[0] != "ann"])
    apply_definitions(store, home)
    store.materialize_incremental(CLOCK.replace(tzinfo=UTC))
    assert orders(home, *EVERYBODY) == [None, 0, 0]


def push(store: FeatureStore, who: str, instant: datetime, orders: int) -> None:
    rows = pd.DataFrame(
        {
            "customer_id": [who],
            "event_timestamp": [pd.Timestamp(instant, tz="UTC")],
            "orders_30d": [orders],
            "spend_30d": [0.0],
            "last_order_at": [None],
        }
    )
    store.write_to_online_store("feat_customer_orders", rows)


def orders(home: Path, *who: str) -> list[int | None]:
    return [row["orders_30d"] for row in online(home, list(who), CLOCK)]


@pytest.mark.usefixtures("each_store")
def test_a_pushed_row_stays_unless_it_is_older_and_goes_with_churn_materialize(home: Path, store) -> None:
    push(store, "ann", CLOCK + timedelta(microseconds=1), 90)
    push(store, "old", datetime(2015, 6, 1), 91)
    push(store, "new", CLOCK, 92)
    store.materialize_incremental(CLOCK.replace(tzinfo=UTC))
    assert orders(home, "ann", "old", "new") == [90, 0, 92]

    materialize(home=home)
    assert orders(home, "ann", "old", "new") == [2, 0, None]


@pytest.mark.usefixtures("each_store")
def test_a_push_of_some_features_leaves_the_others(home: Path, store) -> None:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    materialize(home=home)
    view = store.get_feature_view("feat_customer_orders")
    key = EntityKey(join_keys=["customer_id"], entity_values=[Value(string_val="ann")])
    row = (key, {"orders_30d": Value(int64_val=5)}, CLOCK + timedelta(1), None)
    store.provider.online_write_batch(store.config, view, [row], None)
    (ann,) = online(home, ["ann"], CLOCK)
    assert (ann["orders_30d"], ann["spend_30d"]) == (5, 12345678901244.5679)


def test_a_repair_writes_everything(home: Path, loading) -> None:
    """The same build and instant again, or --full-refresh: what somebody changed in the file is put right."""
    materialize(home=home, as_of=EARLIER)
    loaded = loading(lambda *_: None)
    for again in ({"as_of": EARLIER}, {"full_refresh": True}):
        with sqlite3.connect(home / "feast" / "online_store.db") as file:
            file.execute("update feat_customer_orders set orders_30d = 77")
        loaded.clear()
        materialize(home=home, **again)
        assert len(loaded) == 6
        assert 77 not in orders(home, *EVERYBODY)
    materialize(home=home)


def test_a_store_of_an_earlier_version_is_read_and_then_written_anew(home: Path, store) -> None:
    """Its tables lack the columns of the store's own."""
    materialize(home=home)
    path = home / "feast" / "online_store.db"
    with sqlite3.connect(path) as file:
        for view in ("orders", "profile"):
            indices = (
                f"select name from sqlite_master where type = 'index' and tbl_name like '%{view}' and sql"
            )
            for (name,) in file.execute(f"{indices} is not null").fetchall():
                file.execute(f'drop index "{name}"')
            for column in ("__created", "__pushed"):
                file.execute(f'alter table feat_customer_{view} drop column "{column}"')
        file.execute("drop table loading")
    assert orders(home, *EVERYBODY) == [2, 0, 0]
    push(store, "ann", CLOCK + timedelta(microseconds=1), 90)
    assert orders(home, "ann") == [90]
    materialize(home=home)
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)


@pytest.mark.usefixtures("each_store")
def test_of_two_rows_at_one_instant_the_one_created_later_holds(tmp_path: Path) -> None:
    """Names in the files may be others than in Feast, and a view may have no key at all."""
    at, path = pd.Timestamp("2024-01-01", tz="UTC"), tmp_path / "rows.parquet"
    frame = pd.DataFrame(
        {"who": ["a", "a", "b"], "at": [at] * 3, "made": [at + timedelta(2), at, None], "n": [1, 2, 3]}
    )
    frame["made"] = pd.to_datetime(frame["made"], utc=True)
    frame.to_parquet(path)
    store = store_of("generic", tmp_path)
    source = FileSource(
        path=str(path),
        timestamp_field="at",
        created_timestamp_column="made",
        field_mapping={"who": "customer_id", "n": "number"},
    )
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
    fields = [Field(name="number", dtype=Int64), Field(name="customer_id", dtype=String)]
    keyed = FeatureView(name="keyed", entities=[customer], schema=fields, source=source)
    alone = FeatureView(name="alone", entities=[], schema=fields[:1], source=source)
    store.apply([customer, keyed, alone])
    store.materialize(datetime(2000, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))

    rows = [{"customer_id": who} for who in ("a", "b")]
    assert store.get_online_features(["keyed:number"], rows).to_dict()["number"] == [1, 3]
    assert store.get_online_features(["alone:number"], [{"x": 1}]).to_dict()["number"] == [1]

    pushed = pd.DataFrame(
        {"customer_id": ["a", "b"], "at": at + timedelta(1), "made": [at, pd.NaT], "number": [7, 8]}
    )
    store.write_to_online_store("keyed", pushed)
    assert store.get_online_features(["keyed:number"], rows).to_dict()["number"] == [7, 8]
    store.write_to_online_store("keyed", pushed.assign(made=at, number=9))
    assert store.get_online_features(["keyed:number"], rows).to_dict()["number"] == [9, 9]


@pytest.mark.usefixtures("each_store")
def test_a_view_that_feast_has_to_compute_goes_through_feasts_own_engine(tmp_path: Path) -> None:
    from feast import BatchFeatureView

    path = tmp_path / "rows.parquet"
    at = pd.Timestamp("2024-01-01", tz="UTC")
    pd.DataFrame({"customer_id": ["a", "bb"], "event_timestamp": [at] * 2, "n": [1, 2]}).to_parquet(path)
    store = store_of("computed", tmp_path)
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
    view = BatchFeatureView(
        name="computed",
        entities=[customer],
        schema=[Field(name="n", dtype=Int64), Field(name="customer_id", dtype=String)],
        source=FileSource(path=str(path), timestamp_field="event_timestamp"),
        mode="pandas",
        udf=length_of_key,
        udf_string="length_of_key",
        online=True,
    )
    store.apply([customer, view])
    store.materialize(datetime(2000, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    rows = [{"customer_id": who} for who in ("a", "bb", "c")]
    assert store.get_online_features(["computed:n"], rows).to_dict()["n"] == [1, 2, None]


def length_of_key(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(n=rows["customer_id"].str.len())
