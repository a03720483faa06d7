"""Random plain sources that grow, lose and rewrite files between loads: online, offline and row by row agree.

And the ways of a row into a store of Feast's, by names that the files have otherwise.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float64, Int64, String, from_value_type

from ml.featurestore.online.store import WholeRowOnlineStore
from tests.ml.featurestore.generic_repo import OWN, STOCK
from tests.ml.featurestore.plain_worlds import (
    BEGINNING,
    NOON,
    Row,
    applied,
    last_row,
    load,
    offline,
    online,
    plain_store,
    plain_view,
    write,
)

pytestmark = pytest.mark.subjects("ml/featurestore", "feature_repo")

MINUTE, MICRO = timedelta(minutes=1), timedelta(microseconds=1)
FEATURES = {"n": Int64, "x": Float64, "word": String, "many": Array(Int64)}
WHO, SHOPS = ["a", "b", "Ü", "10", "9"], [1, 2, 10]
FEASTS = {"batch_engine": {"type": "local"}, "materialization": {"pull_latest_features": True}}
ENGINES = {
    "ours into SQLite of Feast's": STOCK | {"batch_engine": OWN["batch_engine"]},
    "Feast's into SQLite of Feast's": STOCK | FEASTS,
    "Feast's into ours": {"online_store": OWN["online_store"]} | FEASTS,
}


@dataclass
class World:
    """Files of rows about some keys, changed step by step.

    Parameters
    ----------
    random : Random
    folder : Path
    keys : tuple of str
        Of ``who`` and ``shop``.
    has_made : bool
        Whether rows say when they were written.
    """

    random: Random
    folder: Path
    keys: tuple[str, ...]
    has_made: bool
    files: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """In the order of the files."""
        return [row for name in sorted(self.files) for row in self.files[name]]

    @property
    def asked(self) -> list[Row]:
        """Every key there may be, and the view's own where it has none."""
        people = [{"who": who} for who in WHO]
        both = [one | {"shop": shop} for one in people for shop in SHOPS]
        return both if "shop" in self.keys else people

    def change(self) -> None:
        """One more file mostly; else one less, or one written anew."""
        what = self.random.choice(["add", "add", "add", "rewrite", "remove"])
        name = f"{self.random.randrange(100):02}.parquet"
        if self.files and what != "add":
            name = self.random.choice(sorted(self.files))
        self.files[name] = [self.row() for _ in range(self.random.randrange(1, 25))]
        if what == "remove" and len(self.files) > 1:
            del self.files[name]
            (self.folder / name).unlink(missing_ok=True)
        else:
            self.save(name)

    def row(self) -> Row:
        random = self.random
        at = NOON + random.randrange(8) * MINUTE + random.choice([0, 0, 1]) * MICRO
        return {
            "who": random.choice([*WHO, None]),
            "shop": random.choice([*SHOPS, None]),
            "at": random.choice([at] * 9 + [None]),
            "made": random.choice([at, at + MINUTE, None]),
            "n": random.choice([random.randrange(10**6), 2**53 + 1, None]),
            "x": random.choice([0.1, -0.0, 1e300, None]),
            "word": random.choice(["", "ß 'q'", None]),
            "many": random.choice([[], [1, 2**60], None]),
        }

    def save(self, name: str) -> None:
        unit = pa.timestamp("us")
        types = {"who": pa.string(), "shop": pa.int64(), "at": unit, "made": unit, "n": pa.int64()}
        types |= {"x": pa.float64(), "word": pa.string(), "many": pa.list_(pa.int64())}
        given = self.files[name]
        write(
            self.folder / name, {of: pa.array([row[of] for row in given], kind) for of, kind in types.items()}
        )

    def expected(self, until: datetime) -> list[Row]:
        """What holds for the asked keys, features only."""
        held = [last_row(self.rows, {name: one[name] for name in self.keys}, until) for one in self.asked]
        return [{name: row and row[name] for name in FEATURES} for row in held]


@pytest.mark.parametrize("keys", [("who",), ("who", "shop"), ()], ids=["one key", "two keys", "no key"])
@pytest.mark.parametrize("seed", range(4))
def test_a_random_source_through_many_loads(tmp_path: Path, seed: int, keys: tuple[str, ...]) -> None:
    """Loads that go on, loads of an earlier window, and one to an instant that is behind."""
    random = Random(100 * seed + len(keys))
    world = World(random, tmp_path / "rows", keys, has_made=bool(seed % 2))
    world.change()
    source = {"created_timestamp_column": "made"} if world.has_made else {}
    store = applied(tmp_path / "repo", plain_view(world.folder, FEATURES, keys, **source))
    if not world.has_made:
        world.row = without_made(world.row)
        for name in list(world.files):
            world.files[name] = [row | {"made": None} for row in world.files[name]]
    until = NOON
    for _ in range(8):
        for _ in range(random.choice([0, 1, 1, 2])):
            world.change()
        until += random.choice([0, 0, 1, 2]) * MINUTE + random.choice([0, 0, 1]) * MICRO
        end = until - random.choice([0, 0, 0, 3]) * MINUTE
        if random.random() < 0.6:
            store.materialize_incremental(end.replace(tzinfo=UTC))
        else:
            load(store, end, random.choice([BEGINNING, (end - 2 * MINUTE).replace(tzinfo=UTC)]))
        until = held_until(store)
        expected = world.expected(until)
        assert online(store, world.asked, list(FEATURES)) == expected
        assert offline(store, world.asked, list(FEATURES), until) == expected


def without_made(row: Any) -> Any:
    return lambda: row() | {"made": None}


def held_until(store: FeatureStore) -> datetime:
    """The instant the view is online as of, which never goes back."""
    held = store.provider.online_store.watermark(store.config, store.get_feature_view("view"))
    return held.replace(tzinfo=None)


@pytest.mark.parametrize("created", [False, True])
@pytest.mark.parametrize("keys", [("who", "shop"), ()], ids=["two keys", "no key"])
@pytest.mark.parametrize("engine", ENGINES)
def test_names_of_the_files_are_others_than_feasts(
    tmp_path: Path, engine: str, keys: tuple[str, ...], created: bool
) -> None:
    """Feast writes again and again into its own store, whose last write holds."""
    world = World(Random(5), tmp_path / "rows", keys, has_made=created)
    made = [world.row() for _ in range(200 if keys else 20)]
    # Feast's engine takes no null for a number, a key or an instant.
    world.files["0.parquet"] = [
        row if created else row | {"made": None}
        for row in made
        if row["who"] and row["shop"] and row["n"] and row["made"]
    ]
    write_named_otherwise(tmp_path / "rows.parquet", world.rows)
    mapping = {"person": "who", "store": "shop", "happened": "at", "written": "made", "number": "n"}
    source = {"field_mapping": mapping} | ({"created_timestamp_column": "made"} if created else {})
    view = plain_view(tmp_path / "rows.parquet", {"n": Int64, "word": String}, keys, **source)
    store = applied(tmp_path / "repo", view, **ENGINES[engine])
    for minutes in (2, 5, 9):
        until = NOON + minutes * MINUTE
        load(store, until)
        expected = [{"n": row["n"], "word": row["word"]} for row in world.expected(until)]
        assert online(store, world.asked, ["n", "word"]) == expected
        assert offline(store, world.asked, ["n", "word"], until) == expected


def write_named_otherwise(path: Path, rows: list[Row]) -> None:
    unit = pa.timestamp("us")
    columns = {"happened": ("at", unit), "written": ("made", unit), "word": ("word", pa.string())}
    columns |= {"person": ("who", pa.string()), "store": ("shop", pa.int64()), "number": ("n", pa.int64())}
    write(
        path,
        {column: pa.array([row[name] for row in rows], kind) for column, (name, kind) in columns.items()},
    )


@pytest.mark.parametrize(
    "settings", [{}, STOCK | {"batch_engine": OWN["batch_engine"]}], ids=["own", "stock"]
)
def test_a_source_that_only_the_offline_store_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """Such as one that is far away: its rows come as the offline store pulls them."""
    monkeypatch.setattr("ml.featurestore.online.compute_engine.source_of", lambda *_: None)
    table = {
        "person": ["a", None, "b"],
        "happened": pa.array([NOON] * 3, pa.timestamp("us")),
        "number": [1, 2, 3],
    }
    write(tmp_path / "rows.parquet", table)
    mapping = {"person": "who", "happened": "at", "number": "n"}
    keyed = plain_view(tmp_path / "rows.parquet", {"n": Int64}, field_mapping=mapping)
    alone = plain_view(tmp_path / "rows.parquet", {"n": Int64}, (), "alone", field_mapping=mapping)
    store = applied(tmp_path / "repo", keyed, alone, **settings)
    load(store)
    asked = [{"who": who} for who in ("a", "b", "")]
    assert [row["n"] for row in online(store, asked, ["n"])] == [1, 3, None]
    assert [row["n"] for row in online(store, asked, ["n"], "alone")] == [3] * 3


DAY = datetime(2024, 1, 1, tzinfo=UTC)
KEYS: dict[str, tuple[ValueType, pa.Array]] = {
    "text": (ValueType.STRING, pa.array(["9", "10", "b", "Ü", "a"])),
    "whole numbers as text": (ValueType.STRING, pa.array([9, 10, -1, 100, 11])),
    "whole numbers": (ValueType.INT64, pa.array([9, 10, -1, 100, 11], pa.int16())),
    "pandas' whole numbers": (ValueType.INT64, pa.array([9.0, 10.0, -1.0, 100.0, 11.0])),
    "fractions": (ValueType.DOUBLE, pa.array([0.5, -1.5, 1e300, 2.0, 10.0])),
    "bytes": (ValueType.BYTES, pa.array([b"\xff", b"a", b"b", b"", b"aa"])),
    "instants": (ValueType.UNIX_TIMESTAMP, pa.array([DAY - day * timedelta(1) for day in range(5)])),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_stopped_load_goes_on_by_keys_of_any_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In the order in which SQLite keeps them, which is not always that of the files' type."""
    declared, column = KEYS[kind]
    at = pa.array([NOON] * 5, pa.timestamp("us"))
    path = write(tmp_path / "rows.parquet", {"who": column, "at": at, "n": pa.array(range(5))})
    who = Entity(name="who", join_keys=["who"], value_type=declared)
    store = plain_store(tmp_path)
    view = FeatureView(
        name="view",
        entities=[who],
        schema=[Field(name="n", dtype=Int64), Field(name="who", dtype=from_value_type(declared))],
        source=FileSource(path=str(path), timestamp_field="at"),
        ttl=timedelta(0),
    )
    store.apply([who, view])
    monkeypatch.setattr("ml.featurestore.online.last_rows.BATCH_ROWS", 1)
    write_aside, loaded = WholeRowOnlineStore.load, list[Any]()

    def noting(self: Any, config: Any, view: Any, given: Any) -> None:
        own = list(given)
        if len(loaded) == 3 and "stopped" not in loaded:
            loaded.append("stopped")
            raise OSError("the power is gone")
        write_aside(self, config, view, iter(own))
        loaded.extend(row[0] for row in own)

    monkeypatch.setattr(WholeRowOnlineStore, "load", noting)
    with pytest.raises(OSError, match="power"):
        load(store)
    load(store)
    assert loaded[3] == "stopped"
    assert len(loaded) == 6
    asked = [{"who": value} for value in column.to_pylist()]
    assert online(store, asked, ["n"]) == [{"n": n} for n in range(5)]


@pytest.mark.parametrize("seed", range(3))
def test_a_pushed_row_stays_until_the_source_has_a_later_one(tmp_path: Path, seed: int) -> None:
    """Whatever kind of load comes between; no pushed row is of an instant that the source has."""
    random = Random(seed)
    world = World(random, tmp_path / "rows", ("who",), has_made=False)
    world.row = without_made(world.row)
    world.change()
    store = applied(tmp_path / "repo", plain_view(world.folder, {"n": Int64}))
    until, pushed = NOON, dict[str, tuple[datetime, int]]()
    for _ in range(12):
        what = random.choice(["push", "change", "load", "load"])
        if what == "change":
            world.change()
        if what == "push":
            who, at = random.choice(WHO), NOON + random.randrange(8) * MINUTE + 5 * MICRO
            row = pd.DataFrame({"who": [who], "at": [pd.Timestamp(at, tz="UTC")], "n": [-len(pushed) - 1]})
            store.write_to_online_store("view", row)
            held = last_row(world.rows, {"who": who}, until)
            if at >= max(pushed.get(who, (NOON,))[0], held["at"] if held else NOON):
                pushed[who] = at, -len(pushed) - 1
            continue
        until += random.randrange(3) * MINUTE
        store.materialize_incremental(until.replace(tzinfo=UTC))
        expected = []
        for who in WHO:
            held = last_row(world.rows, {"who": who}, until)
            if held and who in pushed and held["at"] > pushed[who][0]:
                del pushed[who]
            expected.append({"n": pushed[who][1] if who in pushed else held and held["n"]})
        assert online(store, world.asked, ["n"]) == expected
