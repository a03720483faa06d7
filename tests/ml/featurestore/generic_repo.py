"""One repository of views that are not ours, over Feast's own stores and over ours, to be compared."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    OnDemandFeatureView,
    RepoConfig,
    RequestSource,
    ValueType,
)
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, Map, String, UnixTimestamp

NOW = datetime.now(UTC).replace(microsecond=0)
AGO = timedelta(hours=3)
OWN = {
    "online_store": {"type": "ml.featurestore.online.store.WholeRowOnlineStore"},
    "batch_engine": {"type": "ml.featurestore.online.compute_engine.StateAtComputeEngine"},
}
STOCK = {"online_store": {"type": "sqlite"}}

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
product = Entity(name="product", join_keys=["product_id"], value_type=ValueType.INT64)

PEOPLE = pa.table(
    {
        "customer_id": ["a", "b", "ü", "", "z\0y"],
        "event_timestamp": pa.array(
            [NOW - AGO, NOW - 20 * AGO, NOW - AGO, NOW, NOW], pa.timestamp("us", "UTC")
        ),
        "visits": pa.array([1, 2**62, -3, 0, 5], pa.int64()),
        "age": pa.array([30, -1, 2**31 - 1, 0, 6], pa.int32()),
        "share": pa.array([0.1, None, -1.5, 0.0, 1.0]),
        "small": pa.array([0.1, None, 1e30, 2.0, 3.0], pa.float32()),
        "is_new": pa.array([True, False, True, False, None]),
        "city": pa.array(["Łódź", None, "", "x\ny", "x\0y"]),
    }
)
BASKETS = pa.table(
    {
        "customer_id": ["a", "a", "b", "a"],
        "product_id": pa.array([1, 2, 1, 1], pa.int64()),
        "event_timestamp": pa.array([NOW, NOW, NOW, NOW - AGO], pa.timestamp("us", "UTC")),
        "bought": pa.array([5, 6, 7, 4], pa.int64()),
        "tags": pa.array([["x", "y"], [], ["z"], ["old"]], pa.list_(pa.string())),
        "scores": pa.array([[0.5, 1.5], [2.0], [], [9.0]], pa.list_(pa.float64())),
    }
)
EVERY_TYPE = {
    "raw": (Bytes, [b"\x00\xff", b"", None]),
    "at": (UnixTimestamp, [NOW, NOW - AGO, None]),
    "whole": (Array(Int64), [[1, 2**60], [3], None]),
    "names": (Array(String), [["ü", ""], ["x"], None]),
    "flags": (Array(Bool), [[True, False], [True], None]),
    "bytes_": (Array(Bytes), [[b"\x00"], [b"a", b"b"], None]),
    "moments": (Array(UnixTimestamp), [[NOW], [NOW, NOW - AGO], None]),
    "tiny": (Int32, [1, -5, None]),
    "half": (Float32, [0.1, 2.5, None]),
    "pairs": (Map, [{"x": 1}, {"y": "z"}, None]),
}


def sources(folder: Path) -> dict[str, FileSource]:
    made = {}
    for name, table in (("people", PEOPLE), ("baskets", BASKETS)):
        pq.write_table(table, folder / f"{name}.parquet")
        made[name] = FileSource(path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp")
    return made


def views(folder: Path) -> list[Any]:
    read = sources(folder)
    people = FeatureView(
        name="people",
        entities=[customer],
        ttl=timedelta(days=3650),
        schema=[
            Field(name="visits", dtype=Int64),
            Field(name="age", dtype=Int32),
            Field(name="share", dtype=Float64),
            Field(name="small", dtype=Float32),
            Field(name="is_new", dtype=Bool),
            Field(name="city", dtype=String),
            Field(name="customer_id", dtype=String),
        ],
        source=read["people"],
    )
    baskets = FeatureView(
        name="baskets",
        entities=[customer, product],
        schema=[
            Field(name="bought", dtype=Int64),
            Field(name="tags", dtype=Array(String)),
            Field(name="scores", dtype=Array(Float64)),
            Field(name="customer_id", dtype=String),
            Field(name="product_id", dtype=Int64),
        ],
        source=read["baskets"],
    )
    typed = FeatureView(
        name="typed",
        entities=[customer],
        schema=[
            *(Field(name=name, dtype=dtype) for name, (dtype, _) in EVERY_TYPE.items()),
            Field(name="customer_id", dtype=String),
        ],
        source=read["people"],
    )
    asked = RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64)])
    many = OnDemandFeatureView(
        name="many",
        sources=[people, asked],
        schema=[Field(name="many_visits", dtype=Float64)],
        mode="pandas",
        udf=in_pandas,
        udf_string="in_pandas",
    )
    plain = OnDemandFeatureView(
        name="plain",
        sources=[people, asked],
        schema=[Field(name="plain_visits", dtype=Float64)],
        mode="python",
        udf=in_python,
        udf_string="in_python",
    )
    everything = FeatureService(name="everything", features=[people, baskets, many, plain])
    return [customer, product, people, baskets, typed, many, plain, everything]


def in_pandas(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"many_visits": inputs["visits"].astype("float64") * inputs["factor"]})


def in_python(inputs: dict[str, Any]) -> dict[str, Any]:
    given = zip(inputs["visits"], inputs["factor"], strict=True)
    return {"plain_visits": [None if visits is None else visits * factor for visits, factor in given]}


def store(folder: Path, name: str, settings: dict[str, Any]) -> FeatureStore:
    """A store with the views applied."""
    folder.mkdir()
    made = store_of(name, folder, settings)
    made.apply(views(folder))
    return made


def store_of(name: str, folder: Path, settings: dict[str, Any] = OWN) -> FeatureStore:
    """A store without views; with this repository's online store and engine where nothing else is said."""
    settings = {key: dict(value) for key, value in settings.items()}
    settings["online_store"]["path"] = str(folder / "online.db")
    config = RepoConfig(
        project=name,
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "duckdb"},
        entity_key_serialization_version=3,
        repo_path=folder,
        **settings,
    )
    return FeatureStore(config=config)


def cells(answer: Any) -> dict[str, Any]:
    """An answer: name -> values, statuses and event timestamps, as messages and as Python's own."""
    plain = answer.to_dict(include_event_timestamps=True)
    said = {
        name: (list(vector.values), list(vector.statuses), list(vector.event_timestamps))
        for name, vector in zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True)
    }
    return {"order": list(answer.proto.metadata.feature_names.val), "messages": said, "python": plain}
