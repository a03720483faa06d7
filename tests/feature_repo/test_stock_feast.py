"""What Feast 0.67 does by itself: why feature_repo has stores of its own. When one fails, look again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64
from feast.utils import _convert_arrow_to_proto

OLD = datetime(2015, 6, 6, tzinfo=UTC)


@pytest.fixture
def stock(tmp_path: Path) -> FeatureStore:
    path = tmp_path / "orders.parquet"
    pd.DataFrame({"customer_id": ["old"], "event_timestamp": [OLD], "orders": [1]}).to_parquet(path)
    config = RepoConfig(
        project="stock",
        provider="local",
        registry=str(tmp_path / "registry.db"),
        online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
        offline_store={"type": "duckdb"},
        entity_key_serialization_version=3,
    )
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="orders",
        entities=[customer],
        schema=[Field(name="orders", dtype=Int64)],
        source=FileSource(path=str(path), timestamp_field="event_timestamp"),
    )
    store = FeatureStore(config=config)
    store.apply([customer, view])
    return store


def orders(store: FeatureStore) -> int | None:
    return store.get_online_features(["orders:orders"], [{"customer_id": "old"}]).to_dict()["orders"][0]


def write(store: FeatureStore, instant: datetime, value: int) -> None:
    rows = pd.DataFrame({"customer_id": ["old"], "event_timestamp": [instant], "orders": [value]})
    store.write_to_online_store("orders", rows)


def test_an_old_customer_never_gets_online(stock: FeatureStore) -> None:
    stock.materialize_incremental(datetime.now(UTC))

    assert orders(stock) is None


def test_an_older_row_overwrites_a_newer_one(stock: FeatureStore) -> None:
    write(stock, OLD, 2)
    write(stock, OLD - timedelta(days=1), 1)

    assert orders(stock) == 1


def test_an_instant_loses_its_microseconds() -> None:
    from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values

    instant = datetime(2024, 3, 1, 10, 11, 12, 123456, tzinfo=UTC)
    (kept,) = python_values_to_proto_values([instant], ValueType.UNIX_TIMESTAMP)

    assert feast_value_type_to_python_type(kept) == instant.replace(microsecond=0)


def test_only_the_first_chunk_of_a_table_is_written(stock: FeatureStore) -> None:
    one = pa.table({"customer_id": ["a"], "event_timestamp": pa.array([OLD]), "orders": [1]})
    rows = _convert_arrow_to_proto(
        pa.concat_tables([one, one]), stock.get_feature_view("orders"), {"customer_id": ValueType.STRING}
    )

    assert len(rows) == 1
