"""The online file: views and columns of any name, files of an older layout or none, keys that are none."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, PrimitiveFeastType, String

from ml.common.errors import FeatureError
from ml.common.sql import quoted
from ml.featurestore.online.store import WholeRowOnlineStore
from ml.featurestore.online.table_names import LAYOUT, OWN_TABLES, table_name
from ml.featurestore.repository import open_store
from ml.warehouse.materialize import materialize
from tests.ml.featurestore.generic_repo import store_of
from tests.ml.featurestore.retrieve_rows import offline, online

BEFORE, AT, AFTER = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3))
CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)
EVERYBODY = ["ann", "nil", "old"]
NAMES = [
    "materialized",
    "Loading",
    "remembered",
    "read_files",
    "x",
    "x.old",
    "x.oldies",
    "x.old0123456789ab",
    "x.next",
    "x.next.next",
    "next",
    "sqlite_x",
    "sqlite_x.next",
    "SQLITE_y",
    "view",
    'a view\'s "name"',
]
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
measure = Entity(name="measure", join_keys=["at"], value_type=ValueType.DOUBLE)


def opened(folder: Path) -> FeatureStore:
    return store_of("generic", folder)


def view_of(
    folder: Path, name: str, values: Sequence[int], fields: dict[str, PrimitiveFeastType] | None = None
) -> FeatureView:
    """A view in which customer c0 has the first value, c1 the second, ..., in every feature."""
    features = {"n": Int64} if fields is None else fields
    path = folder / f"{len(list(folder.glob('*.parquet')))}.parquet"
    columns: dict[str, Any] = dict.fromkeys(features, values)
    keys = {"customer_id": [f"c{place}" for place in range(len(values))], "seen": [AT] * len(values)}
    pd.DataFrame(keys | columns).to_parquet(path)
    schema = [Field(name=feature, dtype=dtype) for feature, dtype in features.items()]
    return FeatureView(
        name=name,
        entities=[customer],
        schema=[*schema, Field(name="customer_id", dtype=String)],
        source=FileSource(path=str(path), timestamp_field="seen"),
    )


def asked(store: FeatureStore, feature: str, *customers: str) -> list[Any]:
    rows = [{"customer_id": one} for one in customers]
    answer: list[Any] = store.get_online_features([feature], rows).to_dict()[feature.split(":")[1]]
    return answer


def file_tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as file:
        return {row[0] for row in file.execute("select name from sqlite_master where type = 'table'")}


def test_views_of_any_name_stand_side_by_side(tmp_path: Path) -> None:
    """Loaded, loaded anew, pushed to, taken away: none touches another, or the store's own tables."""
    store, views = opened(tmp_path), {}
    for place, name in enumerate(NAMES):
        views[name] = view_of(tmp_path, name, [place, 100 + place])
    store.apply([customer, *views.values()])
    for until in (BEFORE, AT, AFTER):
        store.materialize(BEFORE, until)
        expected = [[None, None] if until == BEFORE else [place, 100 + place] for place in range(len(NAMES))]
        assert [asked(store, f"{name}:n", "c0", "c1") for name in NAMES] == expected

    pushed = pd.DataFrame({"customer_id": ["c1"], "seen": [AFTER], "n": [7]})
    for name in NAMES:
        store.write_to_online_store(name, pushed)
    with store.provider.online_store.transaction(store.config) as transaction:
        for name in NAMES:
            transaction.execute(f"delete from {quoted(table_name(name))}")
        transaction.execute("delete from materialized")
    store.materialize(BEFORE, AFTER)
    assert [asked(store, f"{name}:n", "c0", "c1") for name in NAMES] == [
        [place, 100 + place] for place in range(len(NAMES))
    ]

    gone = ("materialized", "x", "sqlite_x")
    store.apply([], objects_to_delete=[views[name] for name in gone], partial=False)
    left = [name for name in NAMES if name not in gone]
    assert [asked(store, f"{name}:n", "c1") for name in left] == [[100 + NAMES.index(name)] for name in left]
    assert len(file_tables(tmp_path / "online.db")) == len(OWN_TABLES) + len(left)


@pytest.mark.parametrize(
    "features",
    [
        ("A", "a"),
        ("Customer_ID",),
        ("event_timestamp",),
        ("__created",),
        ("__Pushed", "n"),
        ("Event_Timestamp",),
    ],
)
def test_columns_that_cannot_stand_in_one_table_are_refused_by_name(
    tmp_path: Path, features: tuple[str, ...]
) -> None:
    store = opened(tmp_path)
    view = view_of(tmp_path, "v", [1], dict.fromkeys(features, Int64))
    store.apply([customer, good := view_of(tmp_path, "good", [5])])
    with pytest.raises(FeatureError, match=f"v cannot be put online with columns named .*'{features[0]}'"):
        store.apply([customer, good, view])
    store.materialize(BEFORE, AFTER)
    assert asked(store, "good:n", "c0") == [5]

    view.online = False
    store.apply([customer, good, view])


@pytest.mark.parametrize("feature", ["entity row", "a b", "__created_", "rowid", "select", 'q"uote', "Ä"])
def test_features_of_other_names_are_kept(tmp_path: Path, feature: str) -> None:
    store = opened(tmp_path)
    store.apply([customer, view_of(tmp_path, "v", [4, 5], {feature: Int64})])
    store.materialize(BEFORE, AFTER)
    assert asked(store, f"v:{feature}", "c1", "nobody", "c0") == [5, None, 4]


def to_first_layout(home: Path) -> sqlite3.Connection:
    file = sqlite3.connect(home / "feast" / "online_store.db")
    file.execute("pragma user_version = 0")
    return file


def test_a_file_of_the_first_layout_is_read_and_what_it_left_aside_is_dropped(home: Path) -> None:
    materialize(home=home)
    with to_first_layout(home) as file:
        file.execute('create table "feat_customer_orders.next" (customer_id text)')
        file.execute('create table "feat_customer_orders.old0123456789ab" (customer_id text)')
        file.execute('create table "x.next" (customer_id text)')
        file.execute("insert into materialized values ('x.next', '/b/features/x', '2024-01-01')")
        file.execute("insert into loading values ('feat_customer_orders', '{}', 1)")
    file.close()
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)

    store = "materialized", "remembered", "loading", "feat_customer_orders", "feat_customer_profile"
    assert file_tables(home / "feast" / "online_store.db") == {*store, "x.next"}
    with sqlite3.connect(home / "feast" / "online_store.db") as file:
        assert file.execute("pragma user_version").fetchone() == (LAYOUT,)
        assert file.execute("select view from materialized order by view").fetchall() == [
            ("feat_customer_orders",),
            ("feat_customer_profile",),
        ]
        assert file.execute("select * from loading").fetchall() == []


def test_a_file_of_a_later_layout_is_not_touched(home: Path) -> None:
    materialize(home=home)
    path = home / "feast" / "online_store.db"
    with sqlite3.connect(path) as file:
        file.execute(f"pragma user_version = {LAYOUT + 1}")
    with pytest.raises(FeatureError, match=r"online_store\.db was written by a later version"):
        WholeRowOnlineStore().sources(open_store(home).config)
    with sqlite3.connect(path) as file:
        assert file.execute("pragma user_version").fetchone() == (LAYOUT + 1,)


def test_without_its_file_everything_is_loaded_anew(home: Path, store: FeatureStore) -> None:
    """The registry still says that it was materialized."""
    store.materialize_incremental(CLOCK.replace(tzinfo=UTC))
    for file in (home / "feast").glob("online_store.db*"):
        file.unlink()
    open_store(home).materialize_incremental(CLOCK.replace(tzinfo=UTC))
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)
    assert online(home, ["old"], CLOCK)[0]["city"] == "Oslo"


def digit_of_key(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(n=rows["customer_id"].str[1:].astype("int64"))


def test_without_its_file_a_view_that_feast_computes_is_loaded_anew(tmp_path: Path) -> None:
    from feast import BatchFeatureView

    plain = view_of(tmp_path, "v", [4, 5])
    view = BatchFeatureView(
        name="v",
        entities=[customer],
        schema=plain.schema,
        source=plain.batch_source,
        mode="pandas",
        udf=digit_of_key,
        udf_string="digit_of_key",
        online=True,
    )
    store = opened(tmp_path)
    store.apply([customer, view])
    store.materialize(BEFORE, AFTER)
    for file in tmp_path.glob("online.db*"):
        file.unlink()
    opened(tmp_path).materialize_incremental(datetime(2024, 4, 1, tzinfo=UTC))
    assert asked(opened(tmp_path), "v:n", "c0", "c1") == [0, 1]


def test_a_view_without_rows_can_be_asked_after_a_load_into_a_new_file(tmp_path: Path) -> None:
    from feast import BatchFeatureView

    plain = view_of(tmp_path, "v", [4])
    view = BatchFeatureView(
        name="v", entities=[customer], schema=plain.schema, source=plain.batch_source, online=True
    )
    store = opened(tmp_path)
    store.apply([customer, view])
    for file in tmp_path.glob("online.db*"):
        file.unlink()
    again = opened(tmp_path)
    again.materialize(datetime(2023, 1, 1, tzinfo=UTC), BEFORE)
    assert asked(again, "v:n", "c0") == [None]


def test_what_a_killed_load_left_goes_with_the_next_load_of_any_kind(
    home: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.materialize_incremental(datetime(2024, 2, 1, tzinfo=UTC))
    path, swap = home / "feast" / "online_store.db", WholeRowOnlineStore.swap

    def no_power(*_: Any, **__: Any) -> None:
        raise OSError("the power is gone")

    monkeypatch.setattr(WholeRowOnlineStore, "swap", no_power)
    with pytest.raises(OSError, match="power"):
        materialize(home=home, full_refresh=True)
    monkeypatch.setattr(WholeRowOnlineStore, "swap", swap)
    assert "next:feat_customer_orders" in file_tables(path)

    store.materialize_incremental(CLOCK.replace(tzinfo=UTC))
    assert not [name for name in file_tables(path) if ":" in name]
    with sqlite3.connect(path) as file:
        assert file.execute("select count(*) from loading").fetchone() == (0,)
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)


def pushed_orders(who: list[Any]) -> pd.DataFrame:
    instants = [pd.Timestamp(CLOCK, tz="UTC")] * len(who)
    columns = {"orders_30d": 9, "spend_30d": 0.0, "last_order_at": None}
    return pd.DataFrame({"customer_id": who, "event_timestamp": instants} | columns)


def test_a_push_without_a_key_is_refused_whole(home: Path, store: FeatureStore) -> None:
    materialize(home=home)
    before = online(home, EVERYBODY, CLOCK)
    with pytest.raises(FeatureError, match="without a value of its type for 'customer_id'"):
        store.write_to_online_store("feat_customer_orders", pushed_orders(["ann", None]))
    assert online(home, EVERYBODY, CLOCK) == before


def measures(folder: Path, keys: list[float]) -> FeatureStore:
    """A view whose key is a fraction; the value of each is its place."""
    store = opened(folder)
    path = folder / "measures.parquet"
    write_measures(path, keys, AT)
    schema = [Field(name="n", dtype=Int64), Field(name="at", dtype=Float64)]
    source = FileSource(path=str(path), timestamp_field="seen")
    store.apply([measure, FeatureView(name="m", entities=[measure], schema=schema, source=source)])
    return store


def write_measures(path: Path, keys: list[float], instant: datetime) -> None:
    instants = pa.array([instant] * len(keys), pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"at": keys, "seen": instants, "n": list(range(len(keys)))}), path)


def test_keys_that_json_has_no_word_for_are_found_or_not(tmp_path: Path) -> None:
    store, infinite = measures(tmp_path, [1.5, float("inf"), -float("inf")]), float("inf")
    store.materialize(BEFORE, AFTER)
    rows = [{"at": at} for at in (infinite, 1.5, 2.5, -infinite)]
    assert store.get_online_features(["m:n"], rows).to_dict()["n"] == [1, 0, None, 2]


def test_a_key_that_is_no_number_is_refused_in_one_sentence(tmp_path: Path) -> None:
    store = measures(tmp_path, [1.5, 2.5])
    store.materialize(BEFORE, AFTER)
    row = pd.DataFrame({"at": [float("nan")], "seen": [AFTER], "n": [7]})
    with pytest.raises(FeatureError, match="without a value of its type for 'at'"):
        store.write_to_online_store("m", row)

    write_measures(tmp_path / "measures.parquet", [2.5, float("nan")], AFTER)
    with pytest.raises(FeatureError, match="m has a row whose key is not a number"):
        store.materialize(BEFORE, AFTER)
    assert store.get_online_features(["m:n"], [{"at": 1.5}, {"at": 2.5}]).to_dict()["n"] == [0, 1]
