"""Small random worlds for Feast's offline stores, and what Feast documents of them, by looking at every row.

The reference is plain Python over rows: no DuckDB, no frames. Of rows that tie it names all that may hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String, UnixTimestamp

OURS, DUCKDB, DASK = "ml.featurestore.offline.store.BuildOfflineStore", "duckdb", "dask"
START = datetime(2024, 3, 1, 12)
MINUTE, MICRO = timedelta(minutes=1), timedelta(microseconds=1)
ASKED, ROW = "event_timestamp", "row"
CUSTOMERS = ["a", "b", "c c", "Ü", "10", "1"]
SHOPS = [1, 2, 10]
INSTANT_TYPES = {
    "us": pa.timestamp("us"),
    "us, zone": pa.timestamp("us", "UTC"),
    "us, other zone": pa.timestamp("us", "America/New_York"),
    "ns": pa.timestamp("ns"),
    "ms": pa.timestamp("ms"),
}
CUSTOMER = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
SHOP = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)
ENTITIES = {"customer_id": CUSTOMER, "shop_id": SHOP}
KEY_TYPES = {"customer_id": (String, pa.string()), "shop_id": (Int64, pa.int64())}
FEATURE_TYPES = {
    "number": (Int64, pa.int64()),
    "share": (Float64, pa.float64()),
    "word": (String, pa.string()),
    "moment": (UnixTimestamp, pa.timestamp("us", "UTC")),
}
Row = dict[str, Any]


@dataclass(frozen=True)
class View:
    """One feature view and the rows of its source, in the order of the file.

    Parameters
    ----------
    name : str
    keys : tuple of str
        Of ENTITIES; none for a view about the world as a whole.
    features : mapping
        Feature -> one of FEATURE_TYPES.
    rows : sequence of dict
        By the names Feast knows: the keys, ``happened``, ``written`` and the features.
    ttl : timedelta
    has_written : bool
        Whether Feast is told of the column of created timestamps.
    mapped : mapping
        Column of the file -> the name Feast knows it by.
    instants : str
        One of INSTANT_TYPES.
    """

    name: str
    keys: tuple[str, ...]
    features: Mapping[str, str]
    rows: Sequence[Row]
    ttl: timedelta = timedelta(0)
    has_written: bool = False
    mapped: Mapping[str, str] = field(default_factory=dict)
    instants: str = "us"

    def write(self, path: Path) -> None:
        """The rows as a Parquet file."""
        kind = INSTANT_TYPES[self.instants]
        types = {key: KEY_TYPES[key][1] for key in self.keys} | {"happened": kind, "written": kind}
        types |= {name: FEATURE_TYPES[feature][1] for name, feature in self.features.items()}
        in_file = {known: column for column, known in self.mapped.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.table(
                {
                    in_file.get(name, name): pa.array([typed(row[name], one) for row in self.rows], one)
                    for name, one in types.items()
                }
            ),
            path,
        )

    def feast(self, path: Path) -> FeatureView:
        """The view as Feast is told of it."""
        schema = [Field(name=key, dtype=KEY_TYPES[key][0]) for key in self.keys]
        schema += [
            Field(name=name, dtype=FEATURE_TYPES[feature][0]) for name, feature in self.features.items()
        ]
        return FeatureView(
            name=self.name,
            entities=[ENTITIES[key] for key in self.keys],
            ttl=self.ttl,
            schema=schema,
            source=FileSource(
                name=f"{self.name}_source",
                path=str(path),
                timestamp_field="happened",
                created_timestamp_column="written" if self.has_written else "",
                field_mapping=dict(self.mapped),
            ),
        )


def typed(value: Any, kind: pa.DataType) -> Any:
    """An instant as a column of ``kind`` takes it: naive instants here are UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and kind.tz else value


@dataclass(frozen=True)
class Question:
    """One view as it is asked: under which name, its keys by which columns."""

    view: View
    name: str
    asked_by: Mapping[str, str]
    known_when_written: bool = False

    def candidates(self, asked: Row) -> list[Row]:
        """The rows that may hold for an entity row, in the order of the file; none where nothing does."""
        held = [row for row in self.view.rows if self.counts(row, asked)]
        latest = [row for row in held if row["happened"] == max(one["happened"] for one in held)]
        if not self.view.has_written:
            return latest
        order = [row["written"] or datetime.min for row in latest]
        return [row for row, written in zip(latest, order, strict=True) if written == max(order)]

    def counts(self, row: Row, asked: Row) -> bool:
        """Whether a row may hold for an entity row at all."""
        keys = [(row[key], asked[self.asked_by.get(key, key)]) for key in self.view.keys]
        instant, happened, written = asked[ASKED], row["happened"], row["written"]
        if any(own is None or own != other for own, other in keys) or instant is None or happened is None:
            return False
        if self.known_when_written and self.view.has_written and (written is None or written > instant):
            return False
        return happened <= instant and (not self.view.ttl or instant - happened <= self.view.ttl)

    def answers(self, asked: Row) -> list[tuple[Any, ...]]:
        """The features that may be answered."""
        found = [tuple(row[name] for name in self.view.features) for row in self.candidates(asked)]
        return found or [(None,) * len(self.view.features)]


def question(view: View, **more: Any) -> Question:
    """A view asked under its own name by its own keys."""
    return Question(view, view.name, {}, **more)


@dataclass(frozen=True)
class World:
    """Views and entity rows. The entity rows are numbered, and carry a label."""

    views: Sequence[View]
    asked: Sequence[Row]

    def with_all(self, **changes: Any) -> "World":
        """The same world with every view changed."""
        return replace(self, views=[replace(view, **changes) for view in self.views])


def random_world(seed: int, *, rows: int = 60, asked: int = 80) -> World:
    """Few customers, shops and instants, so that ties, edges of a lifetime and repeated questions abound."""
    random = Random(seed)
    instants = [START + random.randrange(40) * MINUTE for _ in range(12)]
    if seed % 2:
        instants = [instant + random.randrange(3) * MICRO for instant in instants]
    drawn = [random_row(random, instants) for _ in range(3 * rows)]
    has_written = bool(seed % 3)
    views = [
        View(
            "orders",
            ("customer_id",),
            {"orders": "number", "spend": "share", "last_word": "word", "last_at": "moment"},
            [with_features(random, row, instants) for row in drawn[:rows]],
            random.choice([timedelta(0), 5 * MINUTE, 60 * MINUTE]),
            has_written,
            {"cust": "customer_id", "n": "orders", "ts": "happened"} if seed % 2 else {},
        ),
        View(
            "visits",
            ("customer_id", "shop_id"),
            {"visits": "number", "guide": "word"},
            [row | {"visits": random.randrange(9), "guide": random.choice("xyz")} for row in drawn[rows:]],
            random.choice([timedelta(0), 7 * MINUTE]),
            not has_written,
        ),
    ]
    return World(views, random_asked(random, asked, instants))


def random_row(random: Random, instants: Sequence[datetime]) -> Row:
    happened = random.choice(instants)
    late = random.choice([0, 0, 1, 5, 20, -3])
    return {
        "customer_id": random.choice([*CUSTOMERS, None]),
        "shop_id": random.choice([*SHOPS, None]),
        "happened": happened if random.random() < 0.95 else None,
        "written": None if random.random() < 0.1 else happened + late * MINUTE,
    }


def with_features(random: Random, row: Row, instants: Sequence[datetime]) -> Row:
    return row | {
        "orders": random.choice([0, 1, 2**53, -4, None]),
        "spend": random.choice([0.1, -2.5, 1e300, None]),
        "last_word": random.choice(["", "x", "ß 'q'", None]),
        "last_at": random.choice([*instants, None]),
    }


def random_asked(random: Random, rows: int, instants: Sequence[datetime]) -> list[Row]:
    found = [
        {
            "customer_id": random.choice([*CUSTOMERS, "nobody"]),
            "shop_id": random.choice([*SHOPS, 99]),
            "referrer_id": random.choice(CUSTOMERS),
            ASKED: random.choice(instants)
            + random.choice([0, 0, 5, 7, -1]) * MINUTE
            + random.choice([0, 1, -1]) * MICRO,
        }
        for _ in range(rows)
    ]
    found += found[: rows // 4]
    return [row | {ROW: number, "label": number % 2} for number, row in enumerate(found)]


def make_store(
    folder: Path, kind: str, views: Sequence[View], *others: Any, path: str = "{}.parquet"
) -> FeatureStore:
    """A feature store of its own over the views' rows.

    Parameters
    ----------
    kind : str
        OURS, DUCKDB or DASK.
    others : Feast objects
        Applied too; a callable is given Feast's views by name, and makes one.
    path : str
        Where a view's one file lies, below ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    declared = {}
    for view in views:
        file = folder / path.format(view.name)
        view.write(file)
        declared[view.name] = view.feast(file)
    store = bare_store(folder, kind)
    made = [other(declared) if callable(other) else other for other in others]
    entities = {key: ENTITIES[key] for view in views for key in view.keys}
    store.apply([*entities.values(), *declared.values(), *made])
    return store


def bare_store(folder: Path, kind: str) -> FeatureStore:
    """A feature store that nothing has been applied to."""
    return FeatureStore(
        config=RepoConfig(
            project="worlds",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": kind},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )


def frame(asked: Sequence[Row], zone: str | None = "UTC") -> pd.DataFrame:
    """Entity rows as a pandas frame; instants with a zone unless ``zone`` is None."""
    instants = pd.to_datetime(pd.Series([row[ASKED] for row in asked])).astype("datetime64[us]")
    if zone:
        instants = instants.dt.tz_localize("UTC").dt.tz_convert(zone)
    return pd.DataFrame(list(asked)).assign(**{ASKED: instants})


def cells(table: pa.Table) -> list[Row]:
    """An answer's rows; instants naive in UTC, NaN and NaT as None."""
    return [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]


def plain(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return None if value is None or value != value else value


def assert_answers(
    found: Sequence[Row], asked: Sequence[Row], questions: Sequence[Question], names=None
) -> None:
    """Each answered row is one of the asked, with features that the reference allows.

    Parameters
    ----------
    found : sequence of dict
        By ``cells``; each entity row is looked up by its number.
    names : callable, optional
        Question and feature -> its name in the answer.
    """
    names = names or (lambda one, feature: feature)
    for row in found:
        own = asked[int(row[ROW])]
        assert {name: row[name] for name in own} == own
        for one in questions:
            values = tuple(row[names(one, feature)] for feature in one.view.features)
            assert values in one.answers(own), (one.name, own)
