"""Shapes of Feast's own tests that this repository's definitions never take, in small."""

import asyncio
import inspect
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast import (
    BatchFeatureView,
    Entity,
    FeatureView,
    Field,
    FileSource,
    OnDemandFeatureView,
    PushSource,
)
from feast.errors import VersionedOnlineReadNotSupported
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.infra.online_stores.online_store import OnlineStore
from feast.repo_contents import RepoContents
from feast.stream_feature_view import StreamFeatureView
from feast.types import Float64, Int64, String

from ml.common.errors import FeatureError
from ml.featurestore.offline.store import BuildOfflineStore
from ml.featurestore.online.store import WholeRowOnlineStore
from tests.ml.featurestore.plain_worlds import (
    BEGINNING,
    NOON,
    SHOP,
    WHO,
    applied,
    load,
    offline,
    online,
    plain_store,
    plain_view,
    write,
)

pytestmark = pytest.mark.subjects("ml/featurestore", "feature_repo")

A, B = {"who": "a"}, {"who": "b"}
AT = NOON - timedelta(hours=1)


def rows(folder: Path, name: str = "rows") -> Path:
    return write(folder / f"{name}.parquet", {"who": ["a", "b"], "at": [AT, AT], "n": [1, 2]})


def doubled(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"twice": [None if n is None else 2.0 * n for n in inputs["n"]]}


def tripled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(n=frame["n"] * 3)


def on_demand(view: FeatureView, writes: bool) -> OnDemandFeatureView:
    return OnDemandFeatureView(
        name="derived",
        entities=[WHO],
        sources=[view],
        schema=[Field(name="who", dtype=String), Field(name="twice", dtype=Float64)],
        mode="python",
        udf=doubled,
        udf_string="doubled",
        write_to_online_store=writes,
    )


def stream_view(folder: Path) -> StreamFeatureView:
    batch = FileSource(path=str(rows(folder, "stream")), timestamp_field="at")
    return StreamFeatureView(
        name="stream",
        entities=[WHO],
        ttl=timedelta(0),
        schema=[Field(name="who", dtype=String), Field(name="n", dtype=Int64)],
        source=PushSource(name="pushed", batch_source=batch),
        timestamp_field="at",
    )


def test_an_on_demand_view_that_is_written_is_applied_written_and_read(tmp_path: Path) -> None:
    view = plain_view(rows(tmp_path), {"n": Int64})
    store = applied(tmp_path, view, on_demand(view, writes=True))
    frame = pd.DataFrame({"who": ["a"], "event_timestamp": [pd.Timestamp(AT, tz="UTC")], "n": [21]})
    store.write_to_online_store("derived", frame)

    assert online(store, [A, B], ["twice"], "derived") == [{"twice": 42.0}, {"twice": None}]


def test_a_stream_view_whose_schema_names_its_key_is_pushed_and_materialized(tmp_path: Path) -> None:
    store = applied(tmp_path, plain_view(rows(tmp_path), {"n": Int64}), stream_view(tmp_path))
    load(store)

    assert online(store, [A, B], ["n"], "stream") == [{"n": 1}, {"n": 2}]
    assert online(store, [A, B], ["n"]) == [{"n": 1}, {"n": 2}]

    store.push("pushed", pd.DataFrame({"who": ["b"], "at": [pd.Timestamp(NOON, tz="UTC")], "n": [9]}))

    assert online(store, [A, B], ["n"], "stream") == [{"n": 1}, {"n": 9}]


def test_a_view_of_an_entity_feast_does_not_know_is_applied_and_refused_online(tmp_path: Path) -> None:
    unknown = FeatureView(
        name="unknown",
        entities=[Entity(name="stranger", join_keys=["who"])],
        schema=[Field(name="n", dtype=Int64)],
        source=FileSource(path=str(rows(tmp_path)), timestamp_field="at"),
    )
    store = plain_store(tmp_path)
    store.apply([WHO, plain_view(rows(tmp_path), {"n": Int64}), unknown])
    store.materialize(BEGINNING, NOON.replace(tzinfo=UTC), feature_views=["view"])

    assert online(store, [A], ["n"]) == [{"n": 1}]
    with pytest.raises(FeatureError, match=r"unknown has no join keys.*apply its entities"):
        store.materialize(BEGINNING, NOON.replace(tzinfo=UTC), feature_views=["unknown"])


def test_a_batch_view_with_a_python_transformation_is_materialized(tmp_path: Path) -> None:
    view = BatchFeatureView(
        name="batch",
        entities=[WHO],
        ttl=timedelta(0),
        mode="pandas",
        schema=[Field(name="who", dtype=String), Field(name="n", dtype=Int64)],
        source=FileSource(path=str(rows(tmp_path)), timestamp_field="at"),
        udf=tripled,
        udf_string="tripled",
        online=True,
    )
    store = applied(tmp_path, view)
    load(store)

    assert online(store, [A, B], ["n"], "batch") == [{"n": 3}, {"n": 6}]


def registry_of(folder: Path) -> dict[str, Any]:
    kind = "ml.featurestore.registry.store.WholeFileRegistryStore"
    return {"registry": {"path": str(folder / "registry.db"), "registry_store_type": kind}}


def test_a_registry_that_is_gone_is_no_empty_one(tmp_path: Path) -> None:
    store = plain_store(tmp_path, **registry_of(tmp_path))

    assert store.list_feature_views() == []
    assert not (tmp_path / "registry.db").exists()

    store.apply([WHO, plain_view(rows(tmp_path), {"n": Int64})])

    assert [view.name for view in store.list_feature_views()] == ["view"]

    (tmp_path / "registry.db").unlink()
    with pytest.raises(FileNotFoundError, match=r"no registry is at .*registry.db: run 'feast apply'"):
        store.registry.refresh()


def test_a_registry_torn_down_is_gone_and_can_be_applied_again(tmp_path: Path) -> None:
    store = plain_store(tmp_path, **registry_of(tmp_path))
    objects = [WHO, plain_view(rows(tmp_path), {"n": Int64})]
    store.apply(objects)
    store.registry.teardown()
    with pytest.raises(FileNotFoundError, match="no registry is at"):
        store.registry.refresh()

    again = plain_store(tmp_path, **registry_of(tmp_path))
    again.apply(objects)

    assert [view.name for view in again.list_feature_views()] == ["view"]


def test_a_missing_source_is_told_when_rows_are_taken(tmp_path: Path) -> None:
    path = rows(tmp_path)
    store = applied(tmp_path, plain_view(path, {"n": Int64}))
    path.unlink()
    frame = pd.DataFrame({"who": ["a"], "event_timestamp": [pd.Timestamp(NOON, tz="UTC")]})
    job = store.get_historical_features(frame, ["view:n"])

    with pytest.raises(
        FeatureError, match=r"no Parquet files are at .*rows.parquet: put them there, or give"
    ):
        job.to_df()

    rows(tmp_path)

    assert job.to_arrow().column("n").to_pylist() == [1]


@pytest.mark.parametrize("plan", ["asof", "search", "two_step"])
@pytest.mark.parametrize("order", [[0, 800, 400], [800, 400, 0]])
@pytest.mark.parametrize("column", ["at", "made"])
def test_rows_within_one_microsecond_keep_their_order(
    tmp_path: Path, order: list[int], column: str, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.featurestore.retrieval.asof_plans.choose", lambda *_: plan)
    fine = pa.array(np.datetime64(AT, "ns") + np.array(order, "timedelta64[ns]") - 900, pa.timestamp("ns"))
    times = {"at": pa.array([AT] * 3, pa.timestamp("us")), "made": pa.array([AT] * 3, pa.timestamp("us"))}
    path = write(tmp_path / "rows.parquet", {"who": ["a"] * 3, **times, column: fine, "n": order})
    more = {"created_timestamp_column": "made"} if column == "made" else {}
    store = applied(tmp_path, plain_view(path, {"n": Int64}, **more))
    load(store)

    assert offline(store, [A], ["n"]) == [{"n": 800}]
    assert online(store, [A], ["n"]) == [{"n": 800}]


REFUSED_ONLINE = {
    "online_write_batch_async",
    "online_read_async",
    "retrieve_online_documents",
    "retrieve_online_documents_v2",
}
AS_FEAST_HAS_IT_ONLINE = {
    "close",
    "initialize",
    "plan",
    "read_precomputed_vectors",
    "read_precomputed_vectors_async",
    "write_precomputed_vector",
}
REFUSED_OFFLINE = {
    "clear_monitoring_baseline",
    "compute_monitoring_metrics",
    "ensure_monitoring_tables",
    "get_monitoring_max_timestamp",
    "query_monitoring_metrics",
    "save_monitoring_metrics",
}
AS_FEAST_HAS_IT_OFFLINE = {
    "ensure_filter_by_created_timestamp_supported",
    "get_table_column_names_and_types_from_data_source",
}


@pytest.mark.parametrize(
    ("base", "own", "known"),
    [
        (OnlineStore, WholeRowOnlineStore, REFUSED_ONLINE | AS_FEAST_HAS_IT_ONLINE),
        (OfflineStore, BuildOfflineStore, REFUSED_OFFLINE | AS_FEAST_HAS_IT_OFFLINE),
    ],
)
def test_every_method_of_feasts_stores_is_ours_or_known(base: type, own: type, known: set[str]) -> None:
    public = {name for name, _ in inspect.getmembers(base) if not name.startswith("_")}
    inherited = {name for name in public if name not in vars(own) and callable(getattr(base, name))}

    assert inherited == known


async def result_of(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@pytest.mark.parametrize("name", sorted(REFUSED_ONLINE))
def test_what_is_not_offered_online_is_refused_in_a_sentence(name: str) -> None:
    method = getattr(WholeRowOnlineStore(), name)
    needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]

    async def call() -> Any:
        return await result_of(method(*(["x"] for _ in needed)))

    with pytest.raises(NotImplementedError, match="store WholeRowOnlineStore does not support"):
        asyncio.run(call())


def test_pushes_and_reads_of_an_event_loop(tmp_path: Path) -> None:
    store = applied(tmp_path, stream_view(tmp_path))
    load(store)
    frame = pd.DataFrame({"who": ["b"], "at": [pd.Timestamp(NOON, tz="UTC")], "n": [9]})
    read = store.get_online_features_async(["stream:n"], [A, B])

    assert asyncio.run(result_of(read)).to_dict()["n"] == [1, 2]
    with pytest.raises(NotImplementedError, match="does not support online write batch async"):
        asyncio.run(store.push_async("pushed", frame))

    assert online(store, [B], ["n"], "stream") == [{"n": 2}]


def test_a_plan_names_the_views_and_no_infrastructure(tmp_path: Path) -> None:
    view = plain_view(rows(tmp_path), {"n": Int64})
    store = applied(tmp_path, view)
    contents = RepoContents([], [view.batch_source], [view], [], [], [], [WHO, SHOP], [], [])
    _, infra, _ = store.plan(contents)

    assert infra.infra_object_diffs == []


def test_a_read_of_a_named_version_is_refused(tmp_path: Path) -> None:
    registry = registry_of(tmp_path)["registry"] | {"enable_online_feature_view_versioning": True}
    store = applied(tmp_path, plain_view(rows(tmp_path), {"n": Int64}), registry=registry)
    load(store)

    assert online(store, [A], ["n"]) == [{"n": 1}]
    with pytest.raises(VersionedOnlineReadNotSupported, match="WholeRowOnlineStore"):
        store.get_online_features(["view@v0:n"], [A])
