"""What Feast 0.67 does by itself: why feature_repo has stores of its own. When one fails, look again.

docs/feast-differences.md tells of each.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.feature_service import FeatureService
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Int64, String
from feast.utils import _convert_arrow_to_proto

from ml.common.errors import FeatureError, RowsError
from ml.common.paths import ROOT
from tests.ml.featurestore.feast_worlds import (
    ASKED,
    CUSTOMER,
    DASK,
    DUCKDB,
    MINUTE,
    OURS,
    ROW,
    START,
    View,
    bare_store,
    cells,
    frame,
    make_store,
    question,
)

pytestmark = pytest.mark.subjects("ml/featurestore", "feature_repo")

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


# The offline stores. What ours does instead is in docs/feast-differences.md, and in test_feast_semantics.py.


def known(customer: str | None, minute: int | None, value: int | None, written: int | None = None) -> dict:
    """A feature row of so many minutes after START."""
    at = [None if one is None else START + one * MINUTE for one in (minute, written)]
    return {"customer_id": customer, "happened": at[0], "written": at[1], "n": value}


def view_of(*rows: dict, **more: Any) -> View:
    return View("view", ("customer_id",), {"n": "number"}, rows, **more)


def asked_at(*rows: tuple[str | int | None, int], **more: Any) -> pd.DataFrame:
    """Entity rows of customers at minutes after START, numbered."""
    asked = [{"customer_id": who, ASKED: START + minute * MINUTE} for who, minute in rows]
    return frame([row | {ROW: number} | more for number, row in enumerate(asked)])


def answers(store: FeatureStore, rows: Any, name: str = "n", **more: Any) -> list[tuple[int, Any]]:
    """Row number and value, in the order of the answer."""
    found = cells(store.get_historical_features(rows, [f"view:{name}"], **more).to_arrow())
    return [(row[ROW], row[name]) for row in found]


@pytest.mark.parametrize(
    ("kind", "found"), [(DUCKDB, [(1, 2), (0, None)]), (DASK, [(1, 2)]), (OURS, [(0, None), (1, 2)])]
)
@pytest.mark.parametrize("row", [known("a", 5, 1), known("a", -50, 1)])
def test_rows_without_a_value_move_or_are_lost(tmp_path: Path, kind: str, found: list, row: dict) -> None:
    store = make_store(tmp_path, kind, [view_of(row, known("b", -5, 2), ttl=10 * MINUTE)])

    assert answers(store, asked_at(("a", 0), ("b", 0))) == found


@pytest.mark.parametrize(
    ("kind", "found"), [(DUCKDB, [(0, 1), (1, 1)]), (DASK, [(1, 1)]), (OURS, [(0, 1), (1, 1)])]
)
def test_a_row_asked_twice_comes_once(tmp_path: Path, kind: str, found: list) -> None:
    store = make_store(tmp_path, kind, [view_of(known("a", -5, 1))])

    assert answers(store, asked_at(("a", 0), ("a", 0))) == found


@pytest.mark.parametrize(
    ("kind", "found"),
    [(DUCKDB, [(1, 2), (0, None)]), (DASK, [(0, 1), (1, 2)]), (OURS, [(0, None), (1, 2)])],
)
@pytest.mark.parametrize(
    ("first", "customer"), [(known(None, -5, 1), None), (known("a", None, 1), "a")], ids=["key", "instant"]
)
def test_a_row_without_key_or_instant_counts(
    tmp_path: Path, kind: str, found: list, first: dict, customer: str | None
) -> None:
    store = make_store(tmp_path, kind, [view_of(first, known("b", -5, 2))])

    assert answers(store, asked_at((customer, 0), ("b", 0))) == found


@pytest.mark.parametrize(("kind", "are_right"), [(DUCKDB, True), (DASK, False), (OURS, True)])
def test_the_row_written_last_does_not_always_hold(tmp_path: Path, kind: str, are_right: bool) -> None:
    customers = [f"c{number}" for number in range(40)]
    rows = [known(customer, -5, late, late) for customer in customers for late in range(25)]
    Random(1).shuffle(rows)
    store = make_store(tmp_path, kind, [view_of(*rows, has_written=True)])

    found = answers(store, asked_at(*((customer, 0) for customer in customers)))
    assert ({value for _, value in found} == {24}) is are_right


@pytest.mark.parametrize(("kind", "value"), [(DUCKDB, 2**53 + 1), (DASK, float(2**53)), (OURS, 2**53 + 1)])
def test_whole_numbers_become_fractions(tmp_path: Path, kind: str, value: float) -> None:
    store = make_store(tmp_path, kind, [view_of(known("a", -5, 2**53 + 1), known("b", -5, None))])

    assert sorted(answers(store, asked_at(("a", 0), ("b", 0)))) == [(0, value), (1, None)]


SQL = "select 'a' as customer_id, timestamp '2024-03-01 12:00' as event_timestamp, 0 as row"
FORMS = {
    "Arrow": lambda: pa.Table.from_pandas(asked_at(("a", 0))),
    "SQL": lambda: SQL,
    "text": lambda: asked_at(("a", 0)).assign(**{ASKED: "2024-03-01T12:00:00Z"}),
}


@pytest.mark.parametrize(
    ("form", "kind", "error"),
    [
        ("Arrow", DUCKDB, AttributeError),
        ("Arrow", DASK, ValueError),
        ("SQL", DUCKDB, AttributeError),
        ("SQL", DASK, ValueError),
        ("text", DASK, AttributeError),
    ],
)
def test_entity_rows_of_other_forms_are_refused(
    tmp_path: Path, form: str, kind: str, error: type[Exception]
) -> None:
    view = view_of(known("a", -5, 1))

    with pytest.raises(error):
        answers(make_store(tmp_path / "stock", kind, [view]), FORMS[form]())
    assert answers(make_store(tmp_path / "ours", OURS, [view]), FORMS[form]()) == [(0, 1)]


def test_no_entity_rows_and_no_feature_rows_fail(tmp_path: Path) -> None:
    for kind, fails in ((DASK, True), (DUCKDB, False), (OURS, False)):
        for rows, asked in (([], asked_at(("a", 0))), ([known("a", -5, 1)], asked_at(("a", 0)).iloc[:0])):
            store = make_store(tmp_path / f"{kind}-{len(rows)}", kind, [view_of(*rows)])
            if fails:
                with pytest.raises(TypeError, match="Invalid comparison"):
                    answers(store, asked)
            else:
                assert answers(store, asked) == [(0, None)][: len(asked)]


def in_two_files(folder: Path, kind: str, view: View) -> FeatureStore:
    """A store over a pattern of two files, each with one half of the rows."""
    store, half = make_store(folder, kind, [view]), len(view.rows) // 2
    for number, rows in enumerate((view.rows[:half], view.rows[half:])):
        replace(view, rows=rows).write(folder / "parts" / f"part-{number}.parquet")
    store.apply([view.feast(folder / "parts" / "*.parquet")])
    return store


def random_histories(seed: int) -> tuple[View, list[dict]]:
    """Ten customers with a row on each of twenty days, at random microseconds; and rows asked of each."""
    random, day = Random(seed), timedelta(days=1)
    rows = [
        {"customer_id": f"c{who}", "happened": START + (number + random.random()) * day, "written": None}
        | {"n": 100 * who + number}
        for who in range(10)
        for number in range(20)
    ]
    asked = [
        {"customer_id": f"c{row % 10}", ASKED: START + random.randrange(1, 20) * day, ROW: row}
        for row in range(60)
    ]
    return view_of(*rows), asked


@pytest.mark.parametrize(("kind", "are_right"), [(DUCKDB, True), (DASK, False), (OURS, True)])
def test_of_several_files_the_first_row_may_be_answered(tmp_path: Path, kind: str, are_right: bool) -> None:
    wrong = []
    for seed in range(6):
        view, asked = random_histories(seed)
        found = answers(in_two_files(tmp_path / str(seed), kind, view), frame(asked))
        wrong += [(row, value) for row, value in found if (value,) not in question(view).answers(asked[row])]

    assert (not wrong) is are_right
    assert {value % 100 for _, value in wrong} <= {0}


@pytest.mark.parametrize("kind", [DUCKDB, DASK, OURS])
def test_a_file_about_nobody_asked_fails(tmp_path: Path, kind: str) -> None:
    rows = [known(who, at, at) for who in ("a", "b") for at in range(-9, 0)]
    store = in_two_files(tmp_path, kind, view_of(*rows))

    if kind == DASK:
        with pytest.raises(TypeError, match="Invalid comparison"):
            answers(store, asked_at(("a", 0)))
    else:
        assert answers(store, asked_at(("a", 0))) == [(0, -1)]


def test_a_range_of_time_is_refused_or_loses_keys_and_rows(tmp_path: Path) -> None:
    view = view_of(known("a", -5, 1), known("a", -2, 2), known("b", -3, 7))
    between = {"start_date": START - 10 * MINUTE, "end_date": START}
    found = {}
    for kind in (DASK, OURS):
        job = make_store(tmp_path / kind, kind, [view]).get_historical_features(
            features=["view:n"], **between
        )
        found[kind] = [(row.get("customer_id"), row[ASKED], row["n"]) for row in cells(job.to_arrow())]
    at = {minute: START + minute * MINUTE for minute in (-5, -3, -2, 0)}

    with pytest.raises(TypeError, match="start_date"):
        make_store(tmp_path / "duckdb", DUCKDB, [view]).get_historical_features(
            features=["view:n"], **between
        )
    assert sorted(found[DASK], key=str) == [("a", at[0], 2), ("b", at[0], 7)]
    assert found[OURS] == [("a", at[-5], 1), ("b", at[-3], 7), ("a", at[-2], 2)]


def test_a_feature_whose_name_ends_in_y_is_lost(tmp_path: Path) -> None:
    view = View("view", ("customer_id",), {"n_y": "number"}, [known("a", -5, 1) | {"n_y": 3}])

    with pytest.raises(ibis.common.exceptions.IbisTypeError, match="n_y"):
        answers(make_store(tmp_path / "duckdb", DUCKDB, [view]), asked_at(("a", 0)), "n_y")
    for kind in (DASK, OURS):
        assert answers(make_store(tmp_path / kind, kind, [view]), asked_at(("a", 0)), "n_y") == [(0, 3)]


def test_a_column_with_the_name_of_a_feature_hides_it(tmp_path: Path) -> None:
    view, asked = view_of(known("a", -5, 1)), asked_at(("a", 0), n=9)

    with pytest.raises(ibis.common.exceptions.IbisInputError, match="Duplicate column"):
        answers(make_store(tmp_path / "duckdb", DUCKDB, [view]), asked)
    assert answers(make_store(tmp_path / "dask", DASK, [view]), asked) == [(0, 9)]
    with pytest.raises(RowsError, match="already have a column n"):
        answers(make_store(tmp_path / "ours", OURS, [view]), asked)


def test_a_column_with_the_name_of_the_sources_instant_fails(tmp_path: Path) -> None:
    view, asked = view_of(known("a", -5, 1)), asked_at(("a", 0), happened=9)

    with pytest.raises(AttributeError, match="tzinfo"):
        answers(make_store(tmp_path / "dask", DASK, [view]), asked)
    for kind in (DUCKDB, OURS):
        assert answers(make_store(tmp_path / kind, kind, [view]), asked) == [(0, 1)]


def test_numbers_do_not_match_text(tmp_path: Path) -> None:
    view, asked = view_of(known("10", -5, 1)), asked_at((10, 0))

    with pytest.raises(ibis.common.exceptions.IbisTypeError, match="not comparable"):
        answers(make_store(tmp_path / "duckdb", DUCKDB, [view]), asked)
    with pytest.raises(ValueError, match="trying to merge"):
        answers(make_store(tmp_path / "dask", DASK, [view]), asked)
    assert answers(make_store(tmp_path / "ours", OURS, [view]), asked) == [(0, 1)]


def test_a_folder_of_files_cannot_be_read_and_one_written_to(tmp_path: Path) -> None:
    view = view_of(known("a", -5, 1, 0), has_written=True)
    for kind, reads, writes in ((DUCKDB, False, False), (DASK, True, False), (OURS, True, True)):
        folder = tmp_path / kind
        store = make_store(folder, kind, [view], path="{}/part.parquet")
        store.apply([view.feast(folder / "view")])
        new = known("a", -1, 2, 0)
        row = pd.DataFrame({name: [new[name]] for name in pq.read_schema(folder / "view/part.parquet").names})
        if reads:
            assert answers(store, asked_at(("a", 0))) == [(0, 1)]
        else:
            with pytest.raises(AttributeError, match="NoneType"):
                answers(store, asked_at(("a", 0)))
        if writes:
            store.write_to_offline_store("view", row)
            assert answers(store, asked_at(("a", 0))) == [(0, 2)]
        else:
            with pytest.raises((OSError, duckdb.IOException), match="directory"):
                store.write_to_offline_store("view", row)


def test_what_a_folder_is_called_becomes_a_column(tmp_path: Path) -> None:
    for number, shop in enumerate("xy"):
        folder = tmp_path / "source" / f"shop={shop}"
        folder.mkdir(parents=True)
        rows = {"customer_id": ["a", "b"], "happened": [START + number * MINUTE] * 2, "n": [number, number]}
        pq.write_table(pa.table(rows), folder / "part.parquet")
    view = FeatureView(
        name="view",
        entities=[CUSTOMER],
        schema=[Field(name="n", dtype=Int64), Field(name="shop", dtype=String)],
        source=FileSource(path=str(tmp_path / "source"), timestamp_field="happened"),
    )
    asked = pd.DataFrame({"customer_id": ["a", "b"], ASKED: pd.to_datetime([START + MINUTE] * 2, utc=True)})
    wanted = ["view:n", "view:shop"]

    for kind, error in ((DUCKDB, AttributeError), (DASK, None), (OURS, FeatureError)):
        store = bare_store(tmp_path / kind, kind)
        store.apply([CUSTOMER, view])
        if error:
            with pytest.raises(error):
                store.get_historical_features(asked, wanted).to_arrow()
        else:
            found = cells(store.get_historical_features(asked, wanted).to_arrow())
            assert [(row["n"], row["shop"]) for row in found] == [(1, "y"), (1, "y")]


@pytest.mark.parametrize(("kind", "rows"), [(DUCKDB, 4), (DASK, 4), (OURS, 1)])
def test_a_saved_folder_written_over_keeps_old_rows(tmp_path: Path, kind: str, rows: int) -> None:
    store = make_store(tmp_path, kind, [view_of(known("a", -5, 1))])
    storage = SavedDatasetFileStorage(str(tmp_path / "saved"))
    for asked in (asked_at(("a", 0), ("a", 1), ("a", 2)), asked_at(("a", 0))):
        job = store.get_historical_features(asked, ["view:n"])
        store.create_saved_dataset(job, "saved", storage, allow_overwrite=True)

    assert len(store.get_saved_dataset("saved").to_df()) == rows


def test_a_relative_path_is_looked_for_where_python_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_of(known("a", -5, 1))
    for kind in (DUCKDB, DASK, OURS):
        view.write(tmp_path / kind / "data" / "view.parquet")
        monkeypatch.chdir(tmp_path / kind)
        store = bare_store(tmp_path / kind, kind)
        store.apply([CUSTOMER, view.feast(Path("data/view.parquet"))])
        monkeypatch.chdir("/")
        if kind == DUCKDB:
            with pytest.raises(duckdb.IOException, match="No files found"):
                answers(store, asked_at(("a", 0)))
        else:
            assert answers(store, asked_at(("a", 0))) == [(0, 1)]


@pytest.mark.parametrize("kind", [DUCKDB, DASK, OURS])
def test_a_service_of_a_view_and_itself_under_another_name_cannot_be_asked(tmp_path: Path, kind: str) -> None:
    def service(views: dict) -> FeatureService:
        other = views["view"].with_name("other").with_join_key_map({"customer_id": "referrer_id"})
        return FeatureService(name="both", features=[views["view"], other])

    store = make_store(tmp_path, kind, [view_of(known("a", -5, 1))], service)
    asked = asked_at(("a", 0), referrer_id="a")

    with pytest.raises(TypeError, match="'<' not supported"):
        store.get_historical_features(asked, store.get_feature_service("both"), full_feature_names=True)


def test_the_page_tells_of_each_difference() -> None:
    told = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "feast-differences.md").read_text()))
    shown = {name for name in globals() if name.startswith("test_") and "the_page" not in name}
    others = {
        name
        for file in ("test_same_answers.py", "test_feast_shapes.py")
        for name in re.findall(r"^def (test_\w+)", Path(__file__).with_name(file).read_text(), re.M)
    }

    assert shown - told == set()
    assert told - shown - others == set()
