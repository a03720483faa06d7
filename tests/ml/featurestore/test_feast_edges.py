"""Our offline store at its edges, by Feast's public API: odd paths, odd rows, little memory, saved files."""

import gc
import glob
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore, FeatureView, Field, FileSource
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Int64, String

from ml.common import duckdb_engine as engine
from ml.common import durable_files
from ml.common.duckdb_engine import Engine
from ml.common.durable_files import exchange_names
from ml.common.errors import FeatureError, RowsError
from ml.home.read_leases import remove_unless_read
from tests.ml.featurestore.feast_worlds import (
    ASKED,
    CUSTOMER,
    DASK,
    MINUTE,
    OURS,
    START,
    View,
    assert_answers,
    bare_store,
    cells,
    frame,
    make_store,
    question,
    random_world,
)
from tests.ml.featurestore.small_build import ORDER_ROWS

pytestmark = pytest.mark.subjects("ml/featurestore", "feature_repo")

ORDERS = ["orders:orders", "orders:spend", "orders:last_word", "orders:last_at"]
ODD = ["it's", "[a]", "k=v", "what*?", "a b#c", "customer_id=nobody"]
NUMBERS = View(
    "view",
    ("customer_id",),
    {"n": "number"},
    [{"customer_id": "a", "happened": START, "written": None, "n": 7}],
)
SCHEMA = {"customer_id": String, "n": Int64, "shop": String}
ASKED_ONE = {"customer_id": ["a"], ASKED: [START]}


def ask(store: FeatureStore, rows: Any, features: list[str]) -> list[dict]:
    return cells(store.get_historical_features(rows, features).to_arrow())


def pull(store: FeatureStore, view: str, kind: str = "all", features: tuple[str, ...] = ("n",)) -> Any:
    """The job that gives a view's rows, all or the last of each customer."""
    return getattr(store._get_provider().offline_store, f"pull_{kind}_from_table_or_query")(
        config=store.config,
        data_source=store.get_feature_view(view).batch_source,
        join_key_columns=["customer_id"],
        feature_name_columns=list(features),
        timestamp_field="happened",
        created_timestamp_column=None,
        start_date=START.replace(tzinfo=UTC) - timedelta(days=9),
        end_date=START.replace(tzinfo=UTC) + timedelta(days=9),
    )


def write(store: FeatureStore, rows: dict[str, list[Any]]) -> None:
    """Add rows to the source of the view."""
    offline, view = store._get_provider().offline_store, store.get_feature_view("view")
    offline.offline_write_batch(store.config, view, pa.table(rows), None)


@pytest.mark.parametrize("form", ["file", "folder", "pattern"])
@pytest.mark.parametrize("name", ODD)
def test_a_source_of_any_name(tmp_path: Path, name: str, form: str) -> None:
    """What is there is read neither as a pattern nor as a column."""
    world = random_world(4)
    view = replace(world.views[0], mapped={})
    folder = tmp_path / name
    store = make_store(folder, OURS, [view], path=f"{name}/{{}}.parquet")
    # A file that the name would stand for, if it were a pattern.
    decoy = replace(view, rows=[row | {"orders": -99} for row in view.rows])
    for other in ("a", "what is this"):
        decoy.write(tmp_path / other / other / "orders.parquet")
    file = folder / name / "orders.parquet"
    assert file.is_file()
    forms = {
        "file": file,
        "folder": file.parent,
        "pattern": Path(glob.escape(str(folder)), "*", "orders.parquet"),
    }
    store.apply([view.feast(forms[form])])
    assert_answers(ask(store, frame(world.asked), ORDERS), world.asked, [question(view)])
    pulled = pull(store, "orders", "all", ("orders",)).to_arrow().to_pylist()
    assert sorted(str(row["customer_id"]) for row in pulled) == sorted(
        str(row["customer_id"]) for row in view.rows if row["happened"]
    )


@pytest.mark.parametrize("form", ["file", "folder"])
@pytest.mark.parametrize("name", ODD)
def test_rows_are_added_to_a_source_of_any_name(tmp_path: Path, name: str, form: str) -> None:
    store = make_store(tmp_path, OURS, [NUMBERS], path=f"{name}/{{}}.parquet")
    if form == "folder":
        store.apply([NUMBERS.feast(tmp_path / name)])
    write(store, {"customer_id": ["b"], "happened": [START], "written": [None], "n": [8]})
    asked = pd.DataFrame({"customer_id": ["b", "a", "nobody"], ASKED: [START] * 3})
    assert [row["n"] for row in ask(store, asked, ["view:n"])] == [8, 7, None]
    assert len(list((tmp_path / name).iterdir())) == (2 if form == "folder" else 1)


def partitioned(folder: Path, **more: list[Any]) -> FeatureView:
    """A view over a folder of folders called ``shop=x`` and ``shop=y``, with its shop as a feature."""
    for number, shop in enumerate("xy"):
        place = folder / "source" / f"shop={shop}"
        place.mkdir(parents=True)
        rows = {
            "customer_id": ["a", "b"],
            "happened": [START + number * MINUTE] * 2,
            "n": [number, number + 10],
        }
        pq.write_table(pa.table(rows | more), place / "part.parquet")
    return FeatureView(
        name="view",
        entities=[CUSTOMER],
        schema=[Field(name=name, dtype=kind) for name, kind in SCHEMA.items()],
        source=FileSource(name="source", path=str(folder / "source"), timestamp_field="happened"),
        ttl=timedelta(0),
    )


@pytest.mark.parametrize("kind", [OURS, DASK])
def test_what_a_folder_is_called_never_overrides_a_column(tmp_path: Path, kind: str) -> None:
    store = bare_store(tmp_path, kind)
    store.apply([CUSTOMER, partitioned(tmp_path, shop=["own", None])])
    asked = pd.DataFrame({"customer_id": ["a", "b"], ASKED: pd.to_datetime([START + MINUTE] * 2, utc=True)})
    found = {
        row["customer_id"]: (row["n"], row["shop"]) for row in ask(store, asked, ["view:n", "view:shop"])
    }
    assert found == {"a": (1, "own"), "b": (11, None)}


def test_what_a_folder_is_called_is_no_column(tmp_path: Path) -> None:
    store = bare_store(tmp_path, OURS)
    store.apply([CUSTOMER, partitioned(tmp_path)])
    asked = pd.DataFrame({"customer_id": ["a", "b"], ASKED: [START, START + MINUTE]})
    assert [row["n"] for row in ask(store, asked, ["view:n"])] == [0, 11]
    sentence = r"no column shop in .*shop=x/part.parquet: what a folder is called is no column, write it into"
    with pytest.raises(FeatureError, match=sentence):
        ask(store, asked, ["view:shop"])
    with pytest.raises(FeatureError, match=sentence):
        pull(store, "view", features=("shop",)).to_arrow()


def test_rows_added_to_a_folder_of_folders_hide_none(tmp_path: Path) -> None:
    store = bare_store(tmp_path, OURS)
    store.apply([CUSTOMER, partitioned(tmp_path)])
    late = START + 9 * MINUTE
    write(store, {"customer_id": ["b"], "happened": [late], "n": [77]})
    asked = pd.DataFrame({"customer_id": ["a", "b", "b"], ASKED: [late, late, START]})
    assert [row["n"] for row in ask(store, asked, ["view:n"])] == [1, 77, 10]


@pytest.mark.parametrize("hidden", [".half-written", "_temporary"])
def test_files_in_the_making_are_passed_by(tmp_path: Path, hidden: str) -> None:
    store = bare_store(tmp_path, OURS)
    view = partitioned(tmp_path)
    rows = pa.table({"customer_id": ["a"], "happened": [START + MINUTE], "n": [99]})
    (tmp_path / "source" / hidden).mkdir()
    pq.write_table(rows, tmp_path / "source" / hidden / "part.parquet")
    pq.write_table(rows, tmp_path / "source" / "shop=x" / f"{hidden}.parquet")
    store.apply([CUSTOMER, view])
    assert ask(store, pd.DataFrame({"customer_id": ["a"], ASKED: [START + MINUTE]}), ["view:n"])[0]["n"] == 1


def test_rows_are_added_to_no_pattern(tmp_path: Path) -> None:
    store = make_store(tmp_path, OURS, [NUMBERS])
    store.apply([NUMBERS.feast(tmp_path / "vi*.parquet")])
    assert ask(store, pd.DataFrame(ASKED_ONE), ["view:n"])[0]["n"] == 7
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FeatureError, match=r"no file or folder is called .*vi\*.parquet"):
        write(store, {"customer_id": ["a"], "happened": [START], "written": [START], "n": [1]})
    assert sorted(tmp_path.iterdir()) == before


TWINS = {
    "Arrow": pa.table([["a"], ["b"], [START]], names=["customer_id", "customer_id", ASKED]),
    "pandas": pd.DataFrame([["a", "b", START]], columns=["customer_id", "customer_id", ASKED]),
    "SQL": f"select 'a' as customer_id, 'b' as customer_id, timestamp '{START}' as {ASKED}",
}


@pytest.mark.parametrize("form", TWINS)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, form: str) -> None:
    with pytest.raises(RowsError, match="entity rows have two columns called customer_id: rename one"):
        ask(make_store(tmp_path, OURS, [NUMBERS]), TWINS[form], ["view:n"])


@pytest.mark.parametrize("sql", ["", "  \n", "-- select 1", ";"])
def test_sql_that_asks_nothing_is_refused(tmp_path: Path, sql: str) -> None:
    with pytest.raises(RowsError, match="the SQL of the entity rows is empty"):
        ask(make_store(tmp_path, OURS, [NUMBERS]), sql, ["view:n"])


@pytest.mark.parametrize(
    "instants",
    [
        pa.array([316_516_204_800_000_000], pa.timestamp("us")),
        pa.array([-99_999_999_999], pa.timestamp("s", "UTC")),
        pa.array([4_000_000], pa.date32()),
    ],
)
def test_an_instant_of_no_year_of_ours_is_refused(tmp_path: Path, instants: pa.Array) -> None:
    rows = pa.table({"customer_id": ["a"], ASKED: instants})
    with pytest.raises(RowsError, match=f"an instant of {ASKED} is out of range: give years from 1 to 9999"):
        ask(make_store(tmp_path, OURS, [NUMBERS]), rows, ["view:n"])


@pytest.mark.parametrize(
    "instant", [datetime.min, datetime(1, 1, 1, 12), datetime(9999, 12, 31), datetime.max]
)
def test_the_first_and_the_last_instant_are_answered(tmp_path: Path, instant: datetime) -> None:
    rows = pa.table({"customer_id": ["a"], ASKED: pa.array([instant], pa.timestamp("us"))})
    found = ask(make_store(tmp_path, OURS, [NUMBERS]), rows, ["view:n"])
    assert [row["n"] for row in found] == [7 if instant > START else None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_of_any_arrow_type(tmp_path: Path, kind: pa.DataType) -> None:
    written = [START.isoformat(), None, "2024-03-01T13:00+01:00", "20240229"]
    rows = pa.table({"customer_id": pa.array(["a", "a", "a", None], kind), ASKED: pa.array(written, kind)})
    found = ask(make_store(tmp_path, OURS, [NUMBERS]), rows, ["view:n"])
    assert [(row["customer_id"], row[ASKED], row["n"]) for row in found] == [
        ("a", written[0], 7),
        ("a", None, None),
        ("a", written[2], 7),
        (None, written[3], None),
    ]


EMPTY = {
    "a frame of nothing": pd.DataFrame({"customer_id": [], ASKED: []}),
    "a frame of names": pd.DataFrame(columns=["customer_id", ASKED]),
    "numbers that are none": pd.DataFrame({"customer_id": ["a", "b"], ASKED: [float("nan")] * 2}),
}


@pytest.mark.parametrize("form", EMPTY)
def test_instants_of_no_value_are_of_no_type(tmp_path: Path, form: str) -> None:
    found = ask(make_store(tmp_path, OURS, [NUMBERS]), EMPTY[form], ["view:n"])
    assert [row["n"] for row in found] == [None] * len(EMPTY[form])


@pytest.mark.parametrize("name", ["file_index", "file_row_number", "File_Row_Number"])
def test_names_that_duckdb_keeps_for_itself_are_refused(tmp_path: Path, name: str) -> None:
    store = make_store(tmp_path, OURS, [NUMBERS])
    table = pq.read_table(tmp_path / "view.parquet")
    pq.write_table(table.append_column(name, pa.array([0])), tmp_path / "view.parquet")
    sentence = rf"view.parquet has a column {name}, a name DuckDB keeps for itself: rename it"
    with pytest.raises(FeatureError, match=sentence):
        ask(store, pd.DataFrame(ASKED_ONE), ["view:n"])
    for kind in ("all", "latest"):
        with pytest.raises(FeatureError, match=sentence):
            pull(store, "view", kind).to_arrow()


def test_a_column_called_filename_is_one_like_others(tmp_path: Path) -> None:
    rows = [{"customer_id": "a", "happened": START, "written": None, "filename": 7}]
    store = make_store(tmp_path, OURS, [View("view", ("customer_id",), {"filename": "number"}, rows)])
    assert ask(store, pd.DataFrame(ASKED_ONE), ["view:filename"])[0]["filename"] == 7
    assert pull(store, "view", "latest", ("filename",)).to_arrow()["filename"].to_pylist() == [7]


@pytest.mark.parametrize("limit", ["much", "3XB", ""])
def test_a_limit_that_is_no_size_is_named_with_its_setting(tmp_path: Path, limit: str) -> None:
    store = make_store(tmp_path, OURS, [NUMBERS])
    store.config.offline_store.memory_limit = limit
    sentence = f"within '{limit}' of memory: make offline_store.memory_limit in feature_store.yaml a size"
    for answer in (
        lambda: ask(store, pd.DataFrame(ASKED_ONE), ["view:n"]),
        lambda: ask(store, f"select 'a' as customer_id, timestamp '{START}' as {ASKED}", ["view:n"]),
        lambda: pull(store, "view").to_arrow(),
    ):
        with pytest.raises(FeatureError, match=sentence):
            answer()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """A store over rows that its memory does not hold."""
    folder = tmp_path_factory.mktemp("big")
    store = make_store(folder, OURS, [NUMBERS])
    duckdb.sql(f"""
        copy (
            select 'customer ' || number as customer_id, timestamp '{START}' as happened,
                null::timestamp as written, number as n, sha256(number::varchar) || repeat('x', 300) as word
            from range(400_000) as numbers(number)
        ) to '{folder}/view.parquet' (row_group_size 50_000)
    """)
    store.config.offline_store.memory_limit = "20MB"
    return store


def test_too_little_memory_names_its_setting(big: FeatureStore) -> None:
    sentence = "^20MB of memory is too little: raise offline_store.memory_limit in feature_store.yaml$"
    sql = "select list(word order by word) as words, any_value(happened) as event_timestamp from view"
    between = {"start_date": START - MINUTE, "end_date": START + MINUTE}
    rows = pd.DataFrame({"customer_id": [f"customer {n}" for n in range(400_000)], ASKED: START})
    for answer in (
        lambda: ask(big, sql, ["view:n"]),
        lambda: big.get_historical_features(features=["view:n"], **between),
        lambda: big.get_historical_features(rows, ["view:n"]).to_arrow(),
        lambda: pull(big, "view", "latest", ("n", "word")).to_arrow(),
    ):
        with pytest.raises(FeatureError, match=sentence):
            answer()


def test_pulled_rows_overflow_into_a_folder_that_goes(
    tmp_path: Path, big: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never into the folder one works in."""
    places = []
    begin = Engine.__init__

    def noted(self: Engine, memory_limit: str) -> None:
        begin(self, memory_limit)
        setting = "select current_setting('temp_directory')"
        places.extend(place for (place,) in self.connection.execute(setting).fetchall())

    monkeypatch.setattr(engine.Engine, "__init__", noted)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    reader = pull(big, "view").to_arrow_reader()
    assert places == [str(next(tmp_path.glob("tidemark-*")) / "spill")]
    assert sum(len(batch) for batch in reader) == 400_000
    assert list(tmp_path.iterdir()) == []


def test_a_build_stays_until_its_rows_are_read(home: Path, store: FeatureStore) -> None:
    build = home / "builds" / "build-000001"
    view = store.get_feature_view("feat_customer_orders")
    job = store._get_provider().offline_store.pull_all_from_table_or_query(
        store.config, view.batch_source, ["customer_id"], ["orders_30d"], "event_timestamp"
    )
    reader = job.to_arrow_reader()
    del job
    gc.collect()
    assert not remove_unless_read(build)
    assert reader.read_all().num_rows == len(ORDER_ROWS)
    del reader
    gc.collect()
    assert remove_unless_read(build)


def saved(store: FeatureStore, path: Path, customers: list[str]) -> None:
    rows = pd.DataFrame({"customer_id": customers, ASKED: [START] * len(customers)})
    job = store.get_historical_features(rows, ["view:n"])
    job.persist(SavedDatasetFileStorage(str(path)), allow_overwrite=True)


@pytest.mark.parametrize("can_trade", [True, False])
def test_a_saved_folder_is_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_trade: bool
) -> None:
    store, path = make_store(tmp_path / "store", OURS, [NUMBERS]), tmp_path / "saved" / "rows"
    saved(store, path, ["a"])
    (path / "older.parquet").touch()
    seen: list[list[str]] = []
    remove = durable_files.shutil.rmtree

    def looked(folder: Path, **more: Any) -> None:
        if Path(folder).parent == path.parent:
            seen.append(sorted(file.name for file in path.iterdir()))
        remove(folder, **more)

    monkeypatch.setattr(durable_files.shutil, "rmtree", looked)
    if not can_trade:
        monkeypatch.setattr(durable_files, "exchange_names", lambda *_: False)
    saved(store, path, ["a", "b"])
    # When the rows before are removed, the new ones have been there.
    assert seen[0] == ["part-0.parquet"]
    assert pq.read_table(path)["customer_id"].to_pylist() == ["a", "b"]
    assert [entry.name for entry in path.parent.iterdir()] == ["rows"]


def test_two_folders_trade_places(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange_names(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one" / "other").exists()
    assert (tmp_path / "other" / "one").exists()
    with pytest.raises(FileNotFoundError):
        exchange_names(tmp_path / "one", tmp_path / "none")


def test_a_link_to_a_saved_folder_stays_one(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", OURS, [NUMBERS])
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    saved(store, tmp_path / "link", ["a"])
    assert (tmp_path / "link").is_symlink()
    assert pq.read_table(tmp_path / "real")["n"].to_pylist() == [7]


@pytest.mark.parametrize(("name", "there"), [("rows.parquet", "folder"), ("rows", "file")])
def test_a_file_takes_no_folders_place_nor_the_reverse(tmp_path: Path, name: str, there: str) -> None:
    store, path = make_store(tmp_path / "store", OURS, [NUMBERS]), tmp_path / "saved" / name
    path.parent.mkdir()
    path.mkdir() if there == "folder" else path.write_text("mine")
    with pytest.raises(FeatureError, match=f"cannot take the place of the {there} .*: remove it, or choose"):
        saved(store, path, ["a"])
    assert list(path.parent.iterdir()) == [path]
    assert path.is_dir() or path.read_text() == "mine"


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, path = make_store(tmp_path / "store", OURS, [NUMBERS]), tmp_path / "saved" / "rows"
    saved(store, path, ["a"])

    def full(_: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(durable_files, "sync_tree", full)
    with pytest.raises(OSError, match="no space left"):
        saved(store, path, ["a", "b"])
    assert pq.read_table(path)["customer_id"].to_pylist() == ["a"]
    assert os.listdir(path.parent) == ["rows"]
