"""Every plan of point-in-time retrieval against a loop over rows in Python."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.common.errors import FeatureError, RowsError
from ml.featurestore.retrieval.asof_plans import PLANS, EntityIndex, Slots, choose
from ml.featurestore.retrieval.history import History
from ml.featurestore.retrieval.join import Group, JoinedValues

START = datetime(2024, 1, 1)
MICRO = timedelta(microseconds=1)
NEVER = datetime(1, 1, 1)
KINDS = [pa.timestamp("us"), pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Paris")]


def moments(random: Random, steps: int = 12) -> datetime:
    """One of a few instants, so that many coincide."""
    return START + timedelta(hours=random.randrange(steps))


def random_rows(random: Random, unique: bool) -> list[dict]:
    """Rows of two keys, an instant, when they were written, and their number."""
    rows = []
    for _ in range(random.randrange(1, 120)):
        at = moments(random)
        created = None if random.random() < 0.1 else at + timedelta(hours=random.randrange(-1, 5))
        rows.append({"one": random.choice("abc"), "two": random.randrange(2), "at": at, "created": created})
    if unique:
        rows = list({(row["one"], row["two"], row["at"]): row for row in rows}.values())
    random.shuffle(rows)
    return [row | {"number": number} for number, row in enumerate(rows)]


def written(folder: Path, rows: list[dict], kind: pa.DataType, files: int) -> list[str]:
    """Rows in several files, in order."""
    schema = pa.schema(
        {
            "one": pa.string(),
            "two": pa.int32(),
            "at": kind,
            "created": pa.timestamp("us"),
            "number": pa.int64(),
        }
    )
    paths = []
    for part in range(files):
        share = rows[part * len(rows) // files : (part + 1) * len(rows) // files]
        zoned = [row | {"at": row["at"].replace(tzinfo=UTC) if kind.tz else row["at"]} for row in share]
        paths.append(str(folder / f"part-{part}.parquet"))
        pq.write_table(pa.Table.from_pylist(zoned, schema=schema), paths[-1], row_group_size=7)
    return paths


def held_row(rows: list[dict], history: History, keys: tuple, instant: datetime | None) -> int | None:
    """The number of the row that held, found by looking at every row there is."""
    best, found = None, None
    for place, row in enumerate(rows):
        if instant is None or None in keys or tuple(row[key] for key in history.keys) != keys:
            continue
        if row["at"] > instant or (history.lifetime and row["at"] < instant - history.lifetime):
            continue
        if history.is_cut_off and (row["created"] is None or row["created"] > instant):
            continue
        order = (row["at"], (row["created"] or NEVER) if history.created else NEVER, place)
        if best is None or order > best:
            best, found = order, row["number"]
    return found


def looked_up(history: History, asked: list[tuple], plan: str | None) -> list[int | None]:
    """What retrieval says."""
    names = ["one", "two"][: len(history.keys)]
    kinds = {"one": pa.string(), "two": pa.int64()}
    keys = {
        name: pa.chunked_array([[row[place] for row in asked]], kinds[name])
        for place, name in enumerate(names)
    }
    instants = pa.chunked_array([[row[-1] for row in asked]], pa.timestamp("us"))
    group = Group("found", history, names, {"number": "number"})
    with JoinedValues.find(instants, keys, [group], "200MB", plan) as held:
        return held.read(['"found"."number"'], 0, len(asked))["number"].to_pylist()


@pytest.mark.parametrize("plan", [*PLANS, None])
@pytest.mark.parametrize("seed", range(24))
def test_every_plan_finds_the_row_that_a_loop_finds(tmp_path: Path, seed: int, plan: str | None) -> None:
    random = Random(seed)
    unique = random.random() < 0.4
    rows = random_rows(random, unique)
    history = History(
        files=written(tmp_path, rows, random.choice(KINDS), random.randrange(1, 4)),
        keys=random.choice([["one", "two"], ["one"], []]) if not unique else ["one", "two"],
        instant="at",
        created=random.choice([None, "created"]),
        lifetime=random.choice([timedelta(0), timedelta(hours=3)]),
        known_when_created=random.random() < 0.4,
        is_unique=unique,
    )
    if plan == "asof" and history.is_cut_off:
        return
    asked = [
        (
            random.choice(["a", "b", "c", "nobody", None]),
            random.choice([0, 1, None]),
            random.choice([None, *[moments(random) + random.randrange(-1, 2) * MICRO] * 9]),
        )
        for _ in range(random.randrange(1, 200))
    ]
    asked = [(*row[: len(history.keys)], row[-1]) for row in asked]
    expected = [held_row(rows, history, row[:-1], row[-1]) for row in asked]
    assert looked_up(history, asked, plan) == expected


def test_an_as_of_join_is_no_plan_for_rows_that_become_known_later(tmp_path: Path) -> None:
    files = written(tmp_path, random_rows(Random(1), False), KINDS[0], 1)
    history = History(files, ["one"], "at", "created", known_when_created=True)
    with pytest.raises(ValueError, match="become known later"):
        looked_up(history, [("a", START)], "asof")


def test_a_row_finer_than_a_microsecond_is_not_seen_early(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    at = pa.array([1_000_000_500], pa.timestamp("ns"))
    pq.write_table(pa.table({"one": ["a"], "at": at, "number": [7]}), path)
    second = datetime(1970, 1, 1, 0, 0, 1)
    asked = [("a", second), ("a", second + MICRO)]
    for plan in PLANS:
        assert looked_up(History([str(path)], ["one"], "at"), asked, plan) == [None, 7]


def test_whole_numbers_may_be_asked_for_text_but_not_text_for_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"one": ["7"], "two": [7], "at": [START], "number": [1]}), path)
    instants = pa.chunked_array([[START]], pa.timestamp("us"))
    as_text = Group("found", History([str(path)], ["one"], "at"), ["id"], {"number": "number"})
    with JoinedValues.find(instants, {"id": pa.chunked_array([[7]])}, [as_text], "200MB") as held:
        assert held.read(["number"], 0, 1)["number"].to_pylist() == [1]
    as_number = Group("found", History([str(path)], ["two"], "at"), ["id"], {"number": "number"})
    with pytest.raises(RowsError, match="id is varchar in the entity rows but bigint in the source"):
        JoinedValues.find(instants, {"id": pa.chunked_array([["7"]])}, [as_number], "200MB")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"one": ["7"], "at": [START]}), path)
    instants = pa.chunked_array([[START]], pa.timestamp("us"))
    group = Group("found", History([str(path)], ["one"], "at"), ["one"], {"number": "number"})
    with pytest.raises(FeatureError, match="found has no column number"):
        JoinedValues.find(instants, {"one": pa.chunked_array([["7"]])}, [group], "200MB")


def asked_of(rows: int, owners: int) -> EntityIndex:
    return EntityIndex("owners", "keys", {}, rows, owners, 0, 1)


@pytest.mark.parametrize(
    ("rows", "asked", "clustered", "cut_off", "plan"),
    [
        (1_000, (1_000, 10), True, False, "asof"),
        (1_000_000, (1_000, 500), True, False, "two_step"),
        (1_000_000, (1_000, 500), False, False, "search"),
        (1_000_000, (1_000, 10), True, False, "search"),
        (1_000, (1_000, 10), False, True, "search"),
    ],
)
def test_the_plan_is_chosen_by_size(
    rows: int, asked: tuple[int, int], clustered: bool, cut_off: bool, plan: str
) -> None:
    history = History(["x"], ["one"], "at", "created", known_when_created=cut_off)
    assert choose(rows, asked_of(*asked), history, lambda: clustered) == plan


def test_whether_rows_lie_together_is_asked_only_where_it_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_about: list[History] = []
    monkeypatch.setattr(History, "is_clustered", lambda self, *_: asked_about.append(self) or True)
    rows = random_rows(Random(3), unique=False)
    history = History(written(tmp_path, rows, KINDS[0], 1), ["one"], "at")
    many = [("a", moments(Random(seed))) for seed in range(len(rows))]
    assert looked_up(history, many, None) == [held_row(rows, history, row[:1], row[1]) for row in many]
    assert asked_about == []
    assert looked_up(history, many[:1], None) == [held_row(rows, history, many[0][:1], many[0][1])]
    assert asked_about == [history]


@pytest.mark.parametrize("kind", [pa.string(), pa.int64()])
@pytest.mark.parametrize(("order", "together"), [([0, 1, 2, 3, 4, 5], True), ([0, 3, 1, 4, 2, 5], False)])
def test_a_history_lies_together_when_its_row_groups_do_not_overlap(
    tmp_path: Path, kind: pa.DataType, order: list[int], together: bool
) -> None:
    owners = [owner for owner in order for _ in range(10)]
    spread = owners if together else [owner for _ in range(10) for owner in order]
    path = tmp_path / "rows.parquet"
    keys = pa.array([f"{one:02}" for one in spread] if kind == pa.string() else spread, kind)
    pq.write_table(pa.table({"one": keys, "at": [START] * 60}), path, row_group_size=10)
    history = History([str(path)], ["one"], "at")
    with duckdb.connect() as connection:
        assert history.is_clustered(connection, history.types(connection)) is together


def test_a_row_noted_wrongly_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slots, "inherit", lambda self: None)
    rows = [{"one": "a", "two": 0, "at": START, "created": None, "number": 1}]
    history = History(written(tmp_path, rows, KINDS[0], 1), ["one"], "at")
    asked = [("a", START), ("a", START + MICRO)]
    assert looked_up(history, asked, "search") != [1, 1]
