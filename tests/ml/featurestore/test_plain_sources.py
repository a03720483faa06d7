"""Views of Parquet files that are no build's: online is what the offline store says, or nothing changes."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from feast import FeatureStore
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, Map, String, UnixTimestamp

from ml.common.errors import FeatureError
from tests.ml.featurestore.generic_repo import STOCK
from tests.ml.featurestore.plain_worlds import (
    NOON,
    applied,
    load,
    offline,
    online,
    plain_view,
    write,
)

pytestmark = pytest.mark.subjects("ml/featurestore", "feature_repo")

MINUTE, MICRO = timedelta(minutes=1), timedelta(microseconds=1)
A, B = {"who": "a"}, {"who": "b"}
NAN = float("nan")


def numbers(store: FeatureStore, *who: str) -> list[int | None]:
    """The feature ``n`` online; offline says the same at noon."""
    asked = [{"who": one} for one in who]
    found = online(store, asked, ["n"])
    assert found == offline(store, asked, ["n"])
    return [row["n"] for row in found]


def rows(*given: tuple[str, datetime, int]) -> dict[str, Any]:
    who, at, n = zip(*given, strict=True)
    return {"who": pa.array(who), "at": pa.array(at, pa.timestamp("us")), "n": pa.array(n)}


TEXTS = ["{day} 07:00:00 -0500", "{day} 12:00:00 UTC", "{day}T12:00Z", "{day} 12:00", "{compact}T120000"]


@pytest.mark.parametrize("text", TEXTS)
def test_instants_as_text_are_those_of_the_grammar(tmp_path: Path, text: str) -> None:
    """A row counts from the instant that its text says, online and offline."""
    at = text.format(day=NOON.date(), compact=f"{NOON:%Y%m%d}")
    earlier = (NOON - 5 * MINUTE).isoformat()
    table = {"who": ["a", "a"], "at": [earlier, at], "n": pa.array([1, 2])}
    store = applied(tmp_path / "repo", plain_view(write(tmp_path / "rows.parquet", table), {"n": Int64}))
    load(store, NOON - timedelta(microseconds=1))
    assert online(store, [A], ["n"]) == [{"n": 1}]
    load(store)
    assert numbers(store, "a") == [2]


@pytest.mark.parametrize("text", ["01.03.2024", "2024-03-01 12:00:00 CET", "45352"])
def test_text_outside_the_grammar_fails_a_retrieval_with_a_sentence(tmp_path: Path, text: str) -> None:
    table = {"who": ["a"], "at": [text], "n": pa.array([1])}
    store = applied(tmp_path / "repo", plain_view(write(tmp_path / "rows.parquet", table), {"n": Int64}))
    with pytest.raises(FeatureError) as failure:
        offline(store, [A], ["n"])
    assert str(failure.value) == (
        f"{tmp_path} could not be joined: the column at holds '{text}', which is no instant: "
        "write ISO 8601, such as 2024-03-01T12:00:00Z"
    )


TWO = pa.array(["a", "b"])
EARLIER = pa.array([NOON - 5 * MINUTE] * 2, pa.timestamp("us"))


@pytest.mark.parametrize(
    ("declared", "first", "later", "found"),
    [
        (Float64, pa.array([1, 2]), pa.array([4.5]), [4.5, 2.0]),
        (Float64, pa.array([1.5, 2.5]), pa.array([3]), [3.0, 2.5]),
        (Float64, pa.array([1.5, 2.5], pa.float32()), pa.array([0.1]), [0.1, 2.5]),
        (Float64, pa.array([Decimal("1.1")] * 2), pa.array([Decimal("1.123")]), [1.123, 1.1]),
        (String, pa.array(["x", "y"]), pa.array([7]), ["7", "y"]),
        (String, pa.array([1, 2]), pa.array(["007"]), ["007", "2"]),
        (Int64, pa.array([1, 2], pa.int8()), pa.array([2**40]), [2**40, 2]),
        (Int64, pa.array([None, None], pa.int64()), None, [None, None]),
    ],
)
def test_files_of_several_types_keep_every_value(
    tmp_path: Path, declared: Any, first: pa.Array, later: pa.Array | None, found: list[Any]
) -> None:
    """As pandas writes them: whole numbers one day and fractions the next, or no such column at all."""
    write(tmp_path / "rows" / "1.parquet", {"who": TWO, "at": EARLIER, "n": first})
    more = {"who": TWO[:1], "at": pa.array([NOON], pa.timestamp("us"))}
    write(tmp_path / "rows" / "2.parquet", more if later is None else more | {"n": later})
    store = applied(tmp_path / "repo", plain_view(tmp_path / "rows", {"n": declared}))
    load(store)
    for answers in (online(store, [A, B], ["n"]), offline(store, [A, B], ["n"])):
        assert [None if row["n"] is None else declared_as(declared, row["n"]) for row in answers] == found


def test_sql_of_entity_rows_sees_every_value_of_files_of_several_types(tmp_path: Path) -> None:
    write(tmp_path / "rows" / "1.parquet", {"who": TWO, "at": EARLIER, "n": pa.array([1, 2])})
    write(tmp_path / "rows" / "2.parquet", {"who": TWO[:1], "at": EARLIER[:1], "n": pa.array([4.5])})
    store = applied(tmp_path / "repo", plain_view(tmp_path / "rows", {"n": Float64}))
    asked = 'select who, n as seen, "at" as event_timestamp from "view"'
    found = store.get_historical_features(asked, ["view:n"]).to_arrow()
    assert sorted(found["seen"].to_pylist()) == [1.0, 2.0, 4.5]


def declared_as(declared: Any, value: Any) -> Any:
    """Offline has the files' decimals, online what is declared."""
    return float(value) if declared is Float64 else value


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("ms", "UTC")])
def test_instants_of_a_later_file_are_as_fine_as_it_says(tmp_path: Path, kind: pa.DataType) -> None:
    midnight = NOON.replace(hour=0)
    coarse = pa.array([midnight - timedelta(days=1)] * 2, pa.timestamp("us")).cast(kind)
    write(tmp_path / "rows" / "1.parquet", {"who": TWO, "at": coarse, "n": pa.array([1, 2])})
    fine = pa.array([NOON, NOON + MICRO], pa.timestamp("us", "UTC" if "UTC" in str(kind) else None))
    write(tmp_path / "rows" / "2.parquet", {"who": TWO, "at": fine, "n": pa.array([3, 99])})
    store = applied(tmp_path / "repo", plain_view(tmp_path / "rows", {"n": Int64}))
    load(store)
    assert numbers(store, "a", "b") == [3, 2]


@pytest.mark.parametrize("path", ["data", "data/*.parquet", "data/one.parquet"])
def test_a_relative_path_is_taken_from_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write(tmp_path / "repo" / "data" / "one.parquet", rows(("a", NOON, 1)))
    store = applied(tmp_path / "repo", plain_view(path, {"n": Int64}))
    load(store)
    assert numbers(store, "a") == [1]


def test_a_row_of_the_watermark_that_came_late_holds_if_it_is_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    write(folder / "1.parquet", rows(("a", NOON, 1), ("b", NOON, 2)))
    store = applied(tmp_path / "repo", plain_view(folder, {"n": Int64}))
    load(store)
    write(folder / "2.parquet", rows(("a", NOON, 3)))
    write(folder / "0.parquet", rows(("b", NOON, 4), ("c", NOON, 5)))
    store.materialize_incremental(NOON.replace(tzinfo=UTC))
    assert numbers(store, "a", "b", "c") == [3, 2, 5]


def test_rows_that_came_late_by_any_time_get_online_and_older_ones_replace_nothing(tmp_path: Path) -> None:
    folder, early = tmp_path / "rows", NOON - 9 * MINUTE
    write(folder / "1.parquet", rows(("a", early, 1), ("b", NOON, 2), ("d", early, 6)))
    store = applied(tmp_path / "repo", plain_view(folder, {"n": Int64}))
    load(store)
    write(folder / "2.parquet", rows(("a", early + MICRO, 3), ("b", early, 4), ("c", early, 5)))
    store.materialize_incremental(NOON.replace(tzinfo=UTC))
    assert numbers(store, "a", "b", "c", "d") == [3, 2, 5, 6]


@pytest.mark.parametrize("change", ["written anew", "gone"])
def test_rows_that_were_taken_back_are_no_longer_online(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "rows"
    write(folder / "1.parquet", rows(("a", NOON - MINUTE, 1)))
    second = write(folder / "2.parquet", rows(("a", NOON, 2), ("b", NOON, 3)))
    store = applied(tmp_path / "repo", plain_view(folder, {"n": Int64}))
    load(store)
    if change == "gone":
        second.unlink()
    else:
        write(second, rows(("c", NOON, 4)))
    store.materialize_incremental(NOON.replace(tzinfo=UTC))
    assert numbers(store, "a", "b", "c") == [1, None, 4 if change != "gone" else None]


def test_a_load_never_goes_back_unless_it_is_to_be_exact(tmp_path: Path) -> None:
    """Feast's commands go on from what is there; ``churn materialize`` makes the state of one instant."""
    path = write(tmp_path / "rows.parquet", rows(("a", NOON, 1), ("a", NOON + MINUTE, 2), ("b", NOON, 3)))
    store = applied(tmp_path / "repo", plain_view(path, {"n": Int64}))
    load(store, NOON + MINUTE)
    load(store)
    assert online(store, [A, B], ["n"]) == [{"n": 2}, {"n": 3}]
    store.provider.batch_engine.is_exact = True
    load(store)
    assert numbers(store, "a", "b") == [1, 3]
    load(store, NOON + MINUTE)
    assert online(store, [A, B], ["n"]) == [{"n": 2}, {"n": 3}]


def test_a_source_that_is_described_otherwise_is_read_anew(tmp_path: Path) -> None:
    made = pa.array([NOON + MINUTE, NOON], pa.timestamp("us"))
    path = write(tmp_path / "rows.parquet", rows(("a", NOON, 1), ("a", NOON, 2)) | {"made": made})
    store = applied(tmp_path / "repo", plain_view(path, {"n": Int64}))
    load(store)
    assert numbers(store, "a") == [2]
    store.apply([plain_view(path, {"n": Int64}, created_timestamp_column="made")])
    store.materialize_incremental(NOON.replace(tzinfo=UTC))
    assert numbers(store, "a") == [1]


def test_of_rows_that_tie_the_last_in_the_files_holds(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    everybody = [f"{n:04}" for n in range(3_000)]
    for file in range(3):
        tied = [(who, NOON, 10 * file + turn) for turn in range(3) for who in everybody]
        write(folder / f"{file}.parquet", rows(*tied))
    store = applied(tmp_path / "repo", plain_view(folder, {"n": Int64}))
    load(store)
    assert set(numbers(store, *everybody)) == {22}


def test_a_view_without_keys_before_its_first_row(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", rows(("a", NOON, 1)))
    store = applied(tmp_path / "repo", plain_view(path, {"n": Int64}, ()))
    load(store, NOON - MICRO)
    assert online(store, [A], ["n"]) == [{"n": None}]
    load(store)
    assert numbers(store, "a") == [1]


def same(found: Any, expected: Any) -> bool:
    """Equality in which what is no number equals itself."""
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    return type(found) is type(expected) and found == expected


def test_what_is_no_number_stays_apart_from_what_is_unknown(tmp_path: Path) -> None:
    at = pa.array([NOON] * 3, pa.timestamp("us"))
    lists = pa.array([[1.0, NAN], [], None], pa.list_(pa.float64()))
    x, y = pa.array([NAN, None, math.inf]), pa.array([NAN, None, 1.5], pa.float32())
    path = write(tmp_path / "rows.parquet", {"who": ["a", "b", "c"], "at": at, "x": x, "y": y, "z": lists})
    features = {"x": Float64, "y": Float32, "z": Array(Float64)}
    for name, settings in (("own", {}), ("stock", STOCK)):
        store = applied(tmp_path / name, plain_view(path, features), **settings)
        load(store)
        asked = [{"who": who} for who in "abc"]
        found = [list(row.values()) for row in online(store, asked, list(features))]
        assert same(found, [[NAN, NAN, [1.0, NAN]], [None, None, []], [math.inf, 1.5, None]]), name
        assert same(found, [list(row.values()) for row in offline(store, asked, list(features))])


ZONED, NANO = pa.timestamp("us", "America/New_York"), pa.timestamp("ns")
AT, TEXT = datetime(2024, 3, 1, 10, 11, 12, 123456), "2024-03-01T10:11:12.123456"
LARGE = 2**53 + 1
# Declared type, values of the file, values online where they are others.
TAKEN: dict[str, tuple[Any, pa.Array, list[Any] | None]] = {
    "int32 as Int64": (Int64, pa.array([-5, None], pa.int32()), None),
    "uint64 as Int64": (Int64, pa.array([2**63 - 1, None], pa.uint64()), None),
    "int64 as Int32": (Int32, pa.array([2**31 - 1, None], pa.int64()), None),
    "pandas' ints with a null": (Int64, pa.array([3.0, None]), [3, None]),
    "double as Int32": (Int32, pa.array([-(2.0**31), None]), [-(2**31), None]),
    "whole decimals": (Int64, pa.array([Decimal("9007199254740993.00"), None]), [LARGE, None]),
    "int64 as Float64": (Float64, pa.array([3, None]), [3.0, None]),
    "decimal as Float64": (Float64, pa.array([Decimal("1.25"), None]), [1.25, None]),
    "double as Float32": (Float32, pa.array([0.1, None]), [0.10000000149011612, None]),
    "instant as text": (String, pa.array([AT, None], pa.timestamp("us")), [TEXT, None]),
    "zoned as text": (String, pa.array([AT.replace(tzinfo=UTC), None], ZONED), [TEXT, None]),
    "nanoseconds as text": (String, pa.array([AT, None], NANO), [TEXT, None]),
    "date as text": (String, pa.array([date(2024, 3, 1), None]), ["2024-03-01", None]),
    "enumerated text": (String, pa.array(["x", None]).dictionary_encode(), ["x", None]),
    "list of int32": (Array(Int64), pa.array([[1, 2], None], pa.list_(pa.int32())), None),
    "list of int as Float64": (Array(Float64), pa.array([[1, 2], None]), [[1.0, 2.0], None]),
    "list of float": (Array(Float32), pa.array([[0.5], []], pa.list_(pa.float32())), None),
    "map": (Map, pa.array([[("x", 1)], None], pa.map_(pa.string(), pa.int64())), [{"x": 1}, None]),
    "nothing as text": (String, pa.nulls(2), None),
    "nothing as a list": (Array(Int64), pa.nulls(2), None),
    "instant": (
        UnixTimestamp,
        pa.array([AT, None], NANO),
        [AT.replace(microsecond=0, tzinfo=UTC), None],
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_value_comes_online_as_declared(tmp_path: Path, name: str) -> None:
    """For text and lists offline says the very same; of the rest it says the value in the file's type."""
    declared, column, expected = TAKEN[name]
    at = pa.array([NOON] * 2, pa.timestamp("us"))
    path = write(tmp_path / "rows.parquet", {"who": ["a", "b"], "at": at, "x": column})
    store = applied(tmp_path / "repo", plain_view(path, {"x": declared}))
    load(store)
    found = [row["x"] for row in online(store, [A, B], ["x"])]
    values = expected or column.to_pylist()
    assert same(found, values)
    said = [row["x"] for row in offline(store, [A, B], ["x"])]
    if declared is Float32:
        said = pa.array(said, pa.float32()).to_pylist()
    if declared is UnixTimestamp:
        said = [one and one.to_pydatetime().replace(microsecond=0, tzinfo=UTC) for one in said]
    assert [dict(one) if declared is Map and one else one for one in said] == values


def test_an_id_as_text(tmp_path: Path) -> None:
    uuid = UUID(int=2**127 + 5)
    file = tmp_path / "rows.parquet"
    made = pa.array([uuid.bytes, None], pa.binary(16))
    at = pa.array([NOON] * 2, pa.timestamp("us"))
    write(file, {"who": ["a", "b"], "at": at, "x": pa.ExtensionArray.from_storage(pa.uuid(), made)})
    store = applied(tmp_path / "repo", plain_view(file, {"x": String}))
    load(store)
    expected = [{"x": str(uuid)}, {"x": None}]
    assert online(store, [A, B], ["x"]) == expected == offline(store, [A, B], ["x"])


NULL_IN_IT = "with values that have a null in them, or a number that does not fit"
NOT_WHOLE = "with values that are no whole numbers of"
# Declared type, a value of the file, what is said of it, the type that would do.
REFUSED: dict[str, tuple[Any, pa.Array, str, str]] = {
    "flag as text": (String, pa.array([True]), "BOOLEAN", "Bool"),
    "int as text": (String, pa.array([1]), "BIGINT", "Int64"),
    "float as text": (String, pa.array([1.5]), "DOUBLE", "Float64"),
    "decimal as text": (String, pa.array([Decimal("1.5")]), "DECIMAL(2,1)", "Float64"),
    "bytes as text": (String, pa.array([b"x"]), "BLOB", "Bytes"),
    "fraction": (Int64, pa.array([1.5]), f"DOUBLE {NOT_WHOLE} 64 bits", "Float64"),
    "no number": (Int64, pa.array([NAN]), f"DOUBLE {NOT_WHOLE} 64 bits", "Float64"),
    "uint64": (Int64, pa.array([2**63], pa.uint64()), f"UBIGINT {NOT_WHOLE} 64 bits", "Float64"),
    "large double": (Int64, pa.array([2.0**63]), f"DOUBLE {NOT_WHOLE} 64 bits", "Float64"),
    "int64": (Int32, pa.array([2**31]), f"BIGINT {NOT_WHOLE} 32 bits", "Int64"),
    "text as int": (Int64, pa.array(["12"]), "VARCHAR", "String"),
    "text as float": (Float64, pa.array(["1.5"]), "VARCHAR", "String"),
    "large float": (Float32, pa.array([1e300]), "DOUBLE with values beyond 32 bits", "Float64"),
    "int as flag": (Bool, pa.array([1]), "BIGINT", "Int64"),
    "flag as int": (Int64, pa.array([True]), "BOOLEAN", "Bool"),
    "text as bytes": (Bytes, pa.array(["x"]), "VARCHAR", "String"),
    "text as instant": (UnixTimestamp, pa.array(["2024-03-01"]), "VARCHAR", "String"),
    "scalar as list": (Array(Int64), pa.array([1]), "BIGINT", "Int64"),
    "fractions as ints": (Array(Int64), pa.array([[1.5]]), "DOUBLE[]", "Array(Float64)"),
    "null in a list": (Array(Int64), pa.array([[1, None]]), f"BIGINT[] {NULL_IN_IT}", ""),
    "too large in a list": (Array(Int32), pa.array([[2**31]]), f"BIGINT[] {NULL_IN_IT}", "Array(Int64)"),
    "null among floats": (Array(Float64), pa.array([[1.0, None]]), f"DOUBLE[] {NULL_IN_IT}", ""),
    "large float in a list": (
        Array(Float32),
        pa.array([[1e300]]),
        f"DOUBLE[] {NULL_IN_IT}",
        "Array(Float64)",
    ),
}


@pytest.mark.parametrize("settings", [{}, STOCK], ids=["own", "stock"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_value_that_would_change_is_refused_and_nothing_is_published(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    declared, column, said, fitting = REFUSED[name]
    at = pa.array([NOON - MINUTE, NOON], pa.timestamp("us"))
    values = pa.concat_arrays([pa.nulls(1, column.type), column])
    path = write(tmp_path / "rows.parquet", {"who": ["a", "b"], "at": at, "x": values, "n": pa.array([1, 2])})
    bad = plain_view(path, {"x": declared}, name="bad")
    store = applied(tmp_path / "repo", plain_view(path, {"n": Int64}), bad, **settings)
    with pytest.raises(FeatureError) as told:
        load(store)
    assert str(told.value) == (
        f"bad: x is declared as {declared}, but its column in the files is {said}: "
        f"{fitting and f'declare it as {fitting}, or '}convert the files"
    )
    assert online(store, [A, B], ["x"], "bad") == [{"x": None}] * 2
    if not settings:
        assert online(store, [A, B], ["n"]) == [{"n": None}] * 2


def test_instants_as_text(tmp_path: Path) -> None:
    """With a zone of their own, or in UTC."""
    at = ["2024-03-01T12:00:00", "2024-03-01T14:00:00.000001+02:00", "2024-03-01 11:59:59.5Z", None]
    table = {"who": ["a", "b", "b", "a"], "at": pa.array(at), "n": pa.array([1, 2, 3, 4])}
    store = applied(tmp_path / "repo", plain_view(write(tmp_path / "rows.parquet", table), {"n": Int64}))
    load(store)
    assert numbers(store, "a", "b") == [1, 3]
    store.materialize_incremental((NOON + MICRO).replace(tzinfo=UTC))
    assert online(store, [A, B], ["n"]) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s"])
def test_instants_of_any_unit_up_to_the_end(tmp_path: Path, unit: str) -> None:
    """What is a nanosecond after the end is not there yet."""
    end = int(NOON.replace(tzinfo=UTC).timestamp() * {"ns": 10**9, "us": 10**6, "ms": 1000, "s": 1}[unit])
    at = pa.array([end, end - 1, end + 1], pa.int64()).cast(pa.timestamp(unit))
    table = {"who": ["a", "b", "b"], "at": at, "n": pa.array([1, 2, 3])}
    store = applied(tmp_path / "repo", plain_view(write(tmp_path / "rows.parquet", table), {"n": Int64}))
    load(store)
    assert numbers(store, "a", "b") == [1, 2]
    load(store, NOON + timedelta(seconds=1))
    assert online(store, [B], ["n"]) == [{"n": 3}]


FAULTS = {
    "no file": "view: no Parquet files are at .*rows.parquet: put them there",
    "no column": "view has no column x in .*rows.parquet",
    "no instant": "view has no column at in .*rows.parquet",
    "a number for an instant": "view: at in .*rows.parquet is BIGINT, which is no instant",
    "text that is no instant": "^view: .*rows.parquet could not be read: the column at holds 'noon', which "
    "is no instant: write ISO 8601, such as 2024-03-01T12:00:00Z$",
    "no Parquet": "view: .*rows.parquet could not be read: .*; look at the files",
}


@pytest.mark.parametrize("settings", [{}, STOCK], ids=["own", "stock"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_files_is_said_in_a_sentence(
    tmp_path: Path, fault: str, settings: dict[str, Any]
) -> None:
    path = write(tmp_path / "rows.parquet", rows(("a", NOON, 1)))
    store = applied(tmp_path / "repo", plain_view(path, {"n": Int64}), **settings)
    load(store)
    table = rows(("a", NOON, 2)) | {"x": pa.array([1])}
    if fault == "no file":
        path.unlink()
    elif fault == "no column":
        store.apply([plain_view(path, {"n": Int64, "x": Int64})])
        write(path, rows(("a", NOON, 2)))
    elif fault == "no instant":
        write(path, {"who": ["a"], "n": pa.array([2])})
    elif fault == "a number for an instant":
        write(path, table | {"at": pa.array([5])})
    elif fault == "text that is no instant":
        write(path, table | {"at": pa.array(["noon"])})
    else:
        path.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(FeatureError, match=FAULTS[fault]) as told:
        load(store)
    assert "\n" not in str(told.value)
    assert online(store, [A], ["n"]) == [{"n": 1}]
