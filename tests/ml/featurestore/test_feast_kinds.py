"""Repositories as Feast's own tests use them: applied again, deleted from, shared, pushed to, refused."""

from datetime import UTC, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureService, FeatureView, Field, FileSource, PushSource
from feast.aggregation import Aggregation
from feast.data_source import PushMode
from feast.stream_feature_view import StreamFeatureView
from feast.types import Array, Float32, Float64, Int64

from tests.ml.featurestore.plain_worlds import (
    BEGINNING,
    NOON,
    SHOP,
    WHO,
    applied,
    load,
    online,
    plain_store,
    plain_view,
    write,
)
from tests.ml.featurestore.test_feast_shapes import AT, A, B, on_demand, registry_of, rows, stream_view

pytestmark = pytest.mark.subjects("ml/featurestore", "feature_repo")

UNTIL = NOON.replace(tzinfo=UTC)


def entity_rows(**more: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"who": ["a", "b"], "event_timestamp": [pd.Timestamp(UNTIL)] * 2, **more})


def test_a_service_of_two_names_of_one_view_is_asked_by_their_own_keys(tmp_path: Path) -> None:
    view = plain_view(rows(tmp_path), {"n": Int64})
    store = applied(tmp_path, view)
    load(store)
    mapped = view.with_name("theirs").with_join_key_map({"who": "other"})
    store.apply([FeatureService(name="both", features=[mapped, view.with_name("own")])])
    service = store.get_feature_service("both")
    frame = entity_rows(other=["b", "a"])
    history = store.get_historical_features(frame, service, full_feature_names=True).to_arrow()
    now = store.get_online_features(service, [{"who": "a", "other": "b"}], full_feature_names=True).to_dict()

    assert history.select(["own__n", "theirs__n"]).to_pydict() == {"own__n": [1, 2], "theirs__n": [2, 1]}
    assert (now["own__n"], now["theirs__n"]) == ([1], [2])


def test_a_view_applied_again_with_other_features_is_loaded_again(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"who": ["a"], "at": [AT], "n": [1], "m": [2.5]})
    store = applied(tmp_path, plain_view(path, {"n": Int64}))
    load(store)
    store.apply([plain_view(path, {"n": Int64, "m": Float64})])
    load(store)

    assert online(store, [A], ["n", "m"]) == [{"n": 1, "m": 2.5}]

    store.apply([plain_view(path, {"m": Float64})])
    load(store)

    assert online(store, [A], ["m"]) == [{"m": 2.5}]


def test_what_is_deleted_takes_nothing_else_with_it(tmp_path: Path) -> None:
    view, other = (plain_view(rows(tmp_path), {"n": Int64}, name=name) for name in ("view", "other"))
    derived = on_demand(view, writes=True)
    store = applied(tmp_path, view, other, derived, **registry_of(tmp_path))
    load(store)
    store.apply([], objects_to_delete=[derived, SHOP, other], partial=False)

    assert [one.name for one in store.list_all_feature_views()] == ["view"]
    assert [one.name for one in store.list_entities()] == ["who"]
    assert online(store, [A, B], ["n"]) == [{"n": 1}, {"n": 2}]

    store.delete_feature_view("view")

    assert store.list_feature_views() == []

    store.apply([view])

    # Its entries stay until they are loaded over, as in Feast's own store.
    assert [one.name for one in store.list_feature_views()] == ["view"]


def test_two_projects_of_one_registry_see_their_own_views(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    registry = registry_of(tmp_path)
    first = applied(tmp_path, plain_view(rows(tmp_path), {"n": Int64}, name="one"), **registry)
    second = plain_store(tmp_path / "second", project="second", **registry)
    second.apply([WHO, plain_view(rows(tmp_path), {"n": Int64}, name="two")])
    first.registry.refresh()

    assert [view.name for view in first.list_feature_views()] == ["one"]
    assert [view.name for view in second.list_feature_views()] == ["two"]


def test_rows_pushed_to_both_stores_are_read_from_both(tmp_path: Path) -> None:
    store = applied(tmp_path, stream_view(tmp_path))
    frame = pd.DataFrame({"who": ["b"], "at": [pd.Timestamp(UNTIL)], "n": [9]})
    store.push("pushed", frame, to=PushMode.ONLINE_AND_OFFLINE)
    history = store.get_historical_features(entity_rows(), ["stream:n"]).to_arrow()

    assert online(store, [A, B], ["n"], "stream") == [{"n": None}, {"n": 9}]
    assert history["n"].to_pylist() == [1, 9]


def test_a_key_of_another_type_has_no_values_online(tmp_path: Path) -> None:
    store = applied(tmp_path, plain_view(rows(tmp_path), {"n": Int64}))
    store.materialize(BEGINNING, UNTIL, disable_event_timestamp=True)

    assert online(store, [{"who": "a"}], ["n"]) == [{"n": 1}]
    assert online(store, [{"who": 1}], ["n"]) == [{"n": None}]


def test_a_missing_source_without_entity_rows_is_told_by_its_path(tmp_path: Path) -> None:
    path = rows(tmp_path)
    store = applied(tmp_path, plain_view(path, {"n": Int64}))
    path.unlink()
    with pytest.raises(ValueError, match=r"no Parquet files are at .*rows.parquet: put them there"):
        store.get_historical_features(None, ["view:n"], start_date=BEGINNING, end_date=UNTIL).to_arrow()


def test_vector_search_is_refused_in_a_sentence(tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0]], pa.list_(pa.float32()))
    path = write(tmp_path / "rows.parquet", {"who": ["a"], "at": [AT], "e": vectors})
    view = FeatureView(
        name="view",
        entities=[WHO],
        schema=[Field(name="e", dtype=Array(Float32), vector_index=True, vector_search_metric="L2")],
        source=FileSource(path=str(path), timestamp_field="at"),
    )
    store = applied(tmp_path, view)
    load(store)

    assert online(store, [A], ["e"]) == [{"e": [1.0, 2.0]}]
    for search in (store.retrieve_online_documents, store.retrieve_online_documents_v2):
        with pytest.raises(NotImplementedError, match="does not support online retrieval"):
            search(features=["view:e"], top_k=1, query=[1.0, 2.0])


def test_windowed_aggregations_of_a_stream_are_refused_in_a_sentence(tmp_path: Path) -> None:
    view = StreamFeatureView(
        name="windowed",
        entities=[WHO],
        ttl=timedelta(0),
        schema=[Field(name="sum_n_3600s", dtype=Int64)],
        source=PushSource(name="p", batch_source=FileSource(path=str(rows(tmp_path)), timestamp_field="at")),
        timestamp_field="at",
        aggregations=[Aggregation(column="n", function="sum", time_window=timedelta(hours=1))],
        enable_tiling=True,
    )
    store = applied(tmp_path, view)
    with pytest.raises(ValueError, match="Time window aggregation is not supported"):
        load(store)
