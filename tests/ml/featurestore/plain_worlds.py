"""Feature views over Parquet files of nobody's build, and their last rows by looking at every row."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64, String

from tests.ml.featurestore.feast_worlds import OURS
from tests.ml.featurestore.generic_repo import OWN

NOON = datetime(2024, 3, 1, 12)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
WHO = Entity(name="who", join_keys=["who"], value_type=ValueType.STRING)
SHOP = Entity(name="shop", join_keys=["shop"], value_type=ValueType.INT64)
ENTITIES = {"who": WHO, "shop": SHOP}
KEY_FIELDS = {"who": Field(name="who", dtype=String), "shop": Field(name="shop", dtype=Int64)}
Row = dict[str, Any]


def plain_store(folder: Path, **settings: Any) -> FeatureStore:
    """A feature store that nothing has been applied to, with this repository's plug-ins unless said."""
    stated = {"offline_store": {"type": OURS}} | OWN | settings
    stated["online_store"] = stated["online_store"] | {"path": str(folder / "online.db")}
    return FeatureStore(
        config=RepoConfig(
            project=stated.pop("project", "plain"),
            provider="local",
            entity_key_serialization_version=3,
            repo_path=folder,
            **{"registry": str(folder / "registry.db")} | stated,
        )
    )


def plain_view(
    path: str | Path,
    features: Mapping[str, Any],
    keys: Sequence[str] = ("who",),
    name: str = "view",
    **source: Any,
) -> FeatureView:
    """A view of some files.

    Parameters
    ----------
    features : mapping
        Feature -> Feast's type.
    source : Any
        What else its source says; by default rows are of the column ``at``.
    """
    return FeatureView(
        name=name,
        entities=[ENTITIES[key] for key in keys],
        ttl=timedelta(0),
        schema=[
            *(KEY_FIELDS[key] for key in keys),
            *(Field(name=feature, dtype=dtype) for feature, dtype in features.items()),
        ],
        source=FileSource(name=f"{name}_source", path=str(path), **{"timestamp_field": "at"} | source),
    )


def applied(folder: Path, *views: FeatureView, **settings: Any) -> FeatureStore:
    """A feature store with some views."""
    folder.mkdir(parents=True, exist_ok=True)
    store = plain_store(folder, **settings)
    store.apply([*ENTITIES.values(), *views])
    return store


def write(path: Path, columns: Mapping[str, Any]) -> Path:
    """One Parquet file; instants without a type are microseconds in UTC, without a zone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path)
    return path


def load(store: FeatureStore, until: datetime = NOON, start: datetime = BEGINNING) -> None:
    """Feast's ``materialize``, up to a naive instant in UTC."""
    store.materialize(start, until.replace(tzinfo=UTC))


def online(
    store: FeatureStore, asked: Sequence[Row], features: Sequence[str], view: str = "view"
) -> list[Row]:
    """What is online for keys, a row each."""
    names = [f"{view}:{feature}" for feature in features]
    found = store.get_online_features(names, list(asked)).to_dict()
    return [{name: found[name][place] for name in features} for place in range(len(asked))]


def offline(
    store: FeatureStore,
    asked: Sequence[Row],
    features: Sequence[str],
    until: datetime = NOON,
    view: str = "view",
) -> list[Row]:
    """What the offline store says for keys at an instant, a row each."""
    frame = pd.DataFrame(list(asked)).assign(event_timestamp=pd.Timestamp(until, tz="UTC"))
    names = [f"{view}:{feature}" for feature in features]
    table = store.get_historical_features(frame, names).to_arrow()
    return table.select(list(features)).to_pylist()


def last_row(rows: Sequence[Row], key: Row, until: datetime) -> Row | None:
    """The row that holds: by instant, then by when it was written, then the last in the files."""
    known = [
        (row["at"], row.get("made") or datetime.min, place, row)
        for place, row in enumerate(rows)
        if row["at"] is not None and row["at"] <= until and all(row[name] == key[name] for name in key)
    ]
    return max(known, key=lambda one: one[:3])[3] if known else None
