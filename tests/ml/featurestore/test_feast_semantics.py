"""Our offline store through Feast's public API, against what Feast documents: random worlds, cell by cell.

Feast's own stores answer the same questions wherever they are right; where they are not, see
``test_stock_feast.py``.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureStore, FeatureView, Field, PushSource, RequestSource
from feast.data_source import PushMode
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

from ml.common.errors import FeatureError
from ml.featurestore.offline import historical_job as offline_job
from ml.featurestore.retrieval import asof_plans as plans
from tests.ml.featurestore.feast_worlds import (
    ASKED,
    CUSTOMER,
    DASK,
    DUCKDB,
    INSTANT_TYPES,
    MICRO,
    MINUTE,
    OURS,
    ROW,
    START,
    View,
    assert_answers,
    bare_store,
    cells,
    frame,
    make_store,
    plain,
    question,
    random_world,
)

pytestmark = pytest.mark.subjects("ml/featurestore", "feature_repo")

ORDERS = [f"orders:{name}" for name in ("orders", "spend", "last_word", "last_at")]
VISITS = ["visits:visits", "visits:guide"]


def ask(store: FeatureStore, rows, features=(*ORDERS, *VISITS), **more) -> list[dict]:
    return cells(store.get_historical_features(rows, list(features), **more).to_arrow())


SHAPES = {"many asked": (60, 80), "few asked": (300, 30), "many of both": (400, 200)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(6))
def test_a_random_world(tmp_path: Path, seed: int, shape: str) -> None:
    rows, asked = SHAPES[shape]
    world = random_world(seed, rows=rows, asked=asked)
    questions = [question(view) for view in world.views]
    found = ask(make_store(tmp_path, OURS, world.views), frame(world.asked))
    assert [row[ROW] for row in found] == list(range(len(world.asked)))
    assert_answers(found, world.asked, questions)
    # Of rows that tie in everything the last one in the file holds.
    last = [one.answers(row)[-1] for row in world.asked for one in questions]
    assert [tuple(row[name] for name in one.view.features) for row in found for one in questions] == last
    assert sum(row["orders"] is not None for row in found) > 5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(6))
def test_a_random_world_as_known_when_written(tmp_path: Path, seed: int, shape: str) -> None:
    rows, asked = SHAPES[shape]
    world = random_world(seed, rows=rows, asked=asked)
    store = make_store(tmp_path, OURS, world.views)
    found = ask(store, frame(world.asked), filter_by_created_timestamp=True)
    questions = [question(view, known_when_written=True) for view in world.views]
    assert [row[ROW] for row in found] == list(range(len(world.asked)))
    assert_answers(found, world.asked, questions)
    assert any(
        one.answers(row) != question(one.view).answers(row) for row in world.asked for one in questions
    )


@pytest.mark.parametrize(
    ("plan", "known"), [(plan, known) for plan in plans.PLANS for known in (False, True)][:-1]
)
@pytest.mark.parametrize("seed", range(6))
def test_every_plan_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str, known: bool, seed: int
) -> None:
    """All but the as-of join of rows that become known later, which has no such join."""
    monkeypatch.setattr(plans, "choose", lambda *_: plan)
    world = random_world(seed, rows=100, asked=100)
    store = make_store(tmp_path, OURS, world.views)
    found = ask(store, frame(world.asked), filter_by_created_timestamp=known)
    for one in (question(view, known_when_written=known) for view in world.views):
        values = [tuple(row[name] for name in one.view.features) for row in found]
        assert values == [one.answers(row)[-1] for row in world.asked]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_feasts_duckdb_store_says_the_same(tmp_path: Path, seed: int, known: bool) -> None:
    world = random_world(seed)
    found = ask(
        make_store(tmp_path, DUCKDB, world.views), frame(world.asked), filter_by_created_timestamp=known
    )
    assert sorted(row[ROW] for row in found) == list(range(len(world.asked)))
    assert_answers(found, world.asked, [question(view, known_when_written=known) for view in world.views])


@pytest.mark.parametrize("seed", range(2))
def test_feasts_dask_store_says_the_same_of_rows_that_it_keeps(tmp_path: Path, seed: int) -> None:
    world = random_world(seed, rows=30, asked=40)
    (view, *_) = world.views
    rows = [row for row in view.rows if row["happened"]]
    views = [replace(view, ttl=timedelta(0), has_written=False, rows=rows)]
    found = ask(make_store(tmp_path, DASK, views), frame(world.asked), ORDERS)
    assert 10 < len(found) <= len(world.asked)
    assert_answers(found, world.asked, [question(view) for view in views])


@pytest.mark.parametrize("kind", [OURS, DUCKDB])
@pytest.mark.parametrize("ttl", [timedelta(0), 5 * MINUTE])
def test_a_lifetime_includes_both_ends(tmp_path: Path, kind: str, ttl: timedelta) -> None:
    row = {"customer_id": "a", "happened": START, "written": None, "n": 7}
    view = View("view", ("customer_id",), {"n": "number"}, [row], ttl)
    ages = [-MICRO, timedelta(0), 5 * MINUTE - MICRO, 5 * MINUTE, 5 * MINUTE + MICRO, timedelta(days=9999)]
    asked = [{"customer_id": "a", ASKED: START + age, ROW: n} for n, age in enumerate(ages)]
    found = ask(make_store(tmp_path, kind, [view]), frame(asked), ["view:n"])
    forever = 7 if not ttl else None
    assert [row["n"] for row in sorted(found, key=lambda row: row[ROW])] == [None, 7, 7, 7, forever, forever]


@pytest.mark.parametrize("kind", [OURS, DUCKDB])
def test_the_row_written_last_holds(tmp_path: Path, kind: str) -> None:
    rows = [
        {"customer_id": "a", "happened": START, "written": START + late * MINUTE, "n": late}
        for late in (1, 9, 4)
    ]
    rows.append({"customer_id": "a", "happened": START, "written": None, "n": -1})
    view = View("view", ("customer_id",), {"n": "number"}, rows, has_written=True)
    asked = [{"customer_id": "a", ASKED: START + late * MINUTE, ROW: late} for late in range(11)]
    store = make_store(tmp_path, kind, [view])
    found = sorted(ask(store, frame(asked), ["view:n"]), key=lambda row: row[ROW])
    known = ask(store, frame(asked), ["view:n"], filter_by_created_timestamp=True)
    known = sorted(known, key=lambda row: row[ROW])
    assert [row["n"] for row in found] == [9] * 11
    assert [row["n"] for row in known] == [None, 1, 1, 1, 4, 4, 4, 4, 4, 9, 9]


@pytest.mark.parametrize("kind", [OURS, DUCKDB])
@pytest.mark.parametrize("full_names", [False, True])
def test_one_view_asked_twice_by_other_keys(tmp_path: Path, kind: str, full_names: bool) -> None:
    world = random_world(4)
    orders = world.views[0]

    def twice(views):
        own = views["orders"].with_name("payer")
        other = views["orders"].with_name("referrer").with_join_key_map({"customer_id": "referrer_id"})
        return FeatureService(name="both", features=[own[["orders"]], other[["spend", "last_word"]]])

    store = make_store(tmp_path, kind, [orders], twice)
    service = store.get_feature_service("both")
    job = store.get_historical_features(frame(world.asked), service, full_feature_names=full_names)
    found = cells(job.to_arrow())
    own = replace(question(replace(orders, features={"orders": "number"})), name="payer")
    other = replace(
        question(replace(orders, features={"spend": "share", "last_word": "word"})),
        name="referrer",
        asked_by={"customer_id": "referrer_id"},
    )
    names = (lambda one, feature: f"{one.name}__{feature}") if full_names else None
    assert len(found) == len(world.asked)
    # Rows of one instant tie, and each view settles that by itself.
    assert_answers(found, world.asked, [own, other], names)


@pytest.mark.parametrize("kind", [OURS, DUCKDB])
def test_full_feature_names(tmp_path: Path, kind: str) -> None:
    world = random_world(5)
    found = ask(make_store(tmp_path, kind, world.views), frame(world.asked), full_feature_names=True)
    names = lambda one, feature: f"{one.name}__{feature}"  # noqa: E731
    assert list(found[0])[-6:] == [
        *(f"orders__{name}" for name in world.views[0].features),
        "visits__visits",
        "visits__guide",
    ]
    assert_answers(found, world.asked, [question(view) for view in world.views], names)


def test_a_view_about_the_world_as_a_whole(tmp_path: Path) -> None:
    rows = [{"happened": START + n * MINUTE, "written": None, "rate": float(n)} for n in range(5)]
    world = random_world(2)
    rates = View("rates", (), {"rate": "share"}, rows, ttl=2 * MINUTE)
    store = make_store(tmp_path, OURS, [rates, world.views[0]])
    found = ask(store, frame(world.asked), ["rates:rate", *ORDERS])
    assert [row[ROW] for row in found] == list(range(len(world.asked)))
    assert_answers(found, world.asked, [question(rates), question(world.views[0])])
    assert {row["rate"] for row in found} >= {None, 4.0}


@pytest.mark.parametrize("instants", INSTANT_TYPES)
def test_instants_in_files_of_any_type(tmp_path: Path, instants: str) -> None:
    world = random_world(6).with_all(instants=instants)
    found = ask(make_store(tmp_path, OURS, world.views), frame(world.asked))
    assert [row[ROW] for row in found] == list(range(len(world.asked)))
    assert_answers(found, world.asked, [question(view) for view in world.views])


def test_a_nanosecond_too_late_is_too_late(tmp_path: Path) -> None:
    nanoseconds = 1_709_294_400_000_000_001
    table = pa.table(
        {"customer_id": ["a"], "happened": pa.array([nanoseconds], pa.timestamp("ns")), "n": [1]}
    )
    view = View("view", ("customer_id",), {"n": "number"}, [])
    store = make_store(tmp_path, OURS, [view])
    pq.write_table(table, tmp_path / "view.parquet", version="2.6")
    asked = [{"customer_id": "a", ASKED: START + n * MICRO, ROW: n} for n in range(2)]
    assert [row["n"] for row in ask(store, frame(asked), ["view:n"])] == [None, 1]


def as_sql(world_frame: pd.DataFrame, folder: Path) -> str:
    world_frame.to_parquet(folder / "asked.parquet")
    return f"select * from read_parquet('{folder}/asked.parquet') order by row"


FORMS = {
    "naive": lambda asked, folder: frame(asked, None),
    "nanoseconds": lambda asked, folder: frame(asked).astype({ASKED: "datetime64[ns, UTC]"}),
    "another zone": lambda asked, folder: frame(asked, "America/New_York"),
    "text": lambda asked, folder: frame(asked).assign(
        **{ASKED: [row[ASKED].isoformat() + "Z" for row in asked]}
    ),
    "text of another zone": lambda asked, folder: frame(asked).assign(
        **{ASKED: [(row[ASKED] + 60 * MINUTE).isoformat() + "+01:00" for row in asked]}
    ),
    "categories": lambda asked, folder: frame(asked).astype({"customer_id": "category"}),
    "another index": lambda asked, folder: frame(asked).set_index(pd.Index(range(len(asked), 0, -1))),
    "Arrow": lambda asked, folder: pa.Table.from_pandas(frame(asked)),
    "Arrow, naive": lambda asked, folder: pa.Table.from_pandas(frame(asked, None)),
    "SQL": lambda asked, folder: as_sql(frame(asked), folder),
}


@pytest.mark.parametrize("form", FORMS)
def test_entity_rows_of_any_form(tmp_path: Path, form: str) -> None:
    world = random_world(7)
    store = make_store(tmp_path, OURS, world.views)
    rows = FORMS[form](world.asked, tmp_path)
    before = rows.copy(deep=True) if isinstance(rows, pd.DataFrame) else rows
    table = store.get_historical_features(rows, [*ORDERS, *VISITS]).to_arrow()
    found = [row | {ASKED: asked[ASKED]} for row, asked in zip(cells(table), world.asked, strict=True)]
    assert [row[ROW] for row in found] == list(range(len(world.asked)))
    assert_answers(found, world.asked, [question(view) for view in world.views])
    if isinstance(rows, pd.DataFrame):
        pd.testing.assert_frame_equal(rows, before)


def test_sql_can_name_the_source_of_a_view(tmp_path: Path) -> None:
    world = random_world(8)
    store = make_store(tmp_path, OURS, world.views)
    sql = """
        select customer_id, shop_id, happened + interval 1 minute as event_timestamp
        from visits
        where happened is not null
    """
    found = ask(store, sql, [*ORDERS, *VISITS])
    rows = [row for row in world.views[1].rows if row["happened"]]
    asked = [
        {key: row[key] for key in ("customer_id", "shop_id")} | {ASKED: row["happened"] + MINUTE}
        for row in rows
    ]
    asked = [row | {ROW: number} for number, row in enumerate(asked)]
    assert len(found) == len(asked)
    assert_answers(
        [row | {ROW: number} for number, row in enumerate(found)],
        asked,
        [question(view) for view in world.views],
    )


def test_sql_that_fails_is_one_sentence(tmp_path: Path) -> None:
    store = make_store(tmp_path, OURS, random_world(8).views)
    with pytest.raises(FeatureError, match="SQL of the entity rows fails"):
        ask(store, "select * from nowhere")


def test_null_keys_and_instants_are_answered_with_nulls(tmp_path: Path) -> None:
    world = random_world(9)
    asked = [
        row | {("customer_id", "shop_id", ASKED)[number % 3]: None} if number % 4 == 0 else row
        for number, row in enumerate(world.asked)
    ]
    found = ask(make_store(tmp_path, OURS, world.views), frame(asked))
    assert [row[ROW] for row in found] == list(range(len(asked)))
    assert_answers(
        [row | {"shop_id": row["shop_id"]} for row in found], asked, [question(one) for one in world.views]
    )
    assert all(row["visits"] is None for row in found if row["customer_id"] is None)


def test_no_rows_asked(tmp_path: Path) -> None:
    world = random_world(3)
    store = make_store(tmp_path, OURS, world.views)
    table = store.get_historical_features(frame(world.asked).iloc[:0], [*ORDERS, *VISITS]).to_arrow()
    assert len(table) == 0
    assert table.column_names[-6:] == [name.split(":")[1] for name in (*ORDERS, *VISITS)]
    assert table.schema.field("orders").type == pa.int64()


def test_types_stay(tmp_path: Path) -> None:
    world = random_world(3)
    table = (
        make_store(tmp_path, OURS, world.views).get_historical_features(frame(world.asked), ORDERS).to_arrow()
    )
    kinds = [table.schema.field(name).type for name in ("orders", "spend", "last_word", "last_at", "label")]
    assert kinds == [pa.int64(), pa.float64(), pa.string(), pa.timestamp("us", "UTC"), pa.int64()]


@pytest.mark.parametrize("zoned", [False, True])
def test_a_range_of_time_asks_about_every_row_in_it(tmp_path: Path, zoned: bool) -> None:
    world = random_world(10)
    orders = replace(world.views[0], ttl=7 * MINUTE)
    first, last = START + 5 * MINUTE, max(row["happened"] or START for row in orders.rows) - MINUTE
    zone = (lambda instant: instant.replace(tzinfo=UTC)) if zoned else (lambda instant: instant)
    store = make_store(tmp_path, OURS, [orders])
    table = store.get_historical_features(
        features=ORDERS, start_date=zone(first), end_date=zone(last)
    ).to_arrow()
    keys = {
        (row["customer_id"], row["happened"])
        for row in orders.rows
        if row["customer_id"] and row["happened"] and first <= row["happened"] <= last
    }
    found = cells(table)
    assert {(row["customer_id"], row[ASKED]) for row in found} == keys
    assert len(found) == len(keys) > 5
    asked = [{"customer_id": row["customer_id"], ASKED: row[ASKED], ROW: n} for n, row in enumerate(found)]
    assert_answers([row | {ROW: n} for n, row in enumerate(found)], asked, [question(orders)])


def test_entity_rows_and_a_range_are_refused_together(tmp_path: Path) -> None:
    world = random_world(10)
    with pytest.raises(ValueError, match="Cannot specify both"):
        ask(make_store(tmp_path, OURS, world.views), frame(world.asked), start_date=START)


def on_demand(mode: str):
    """An on-demand view of two features, one from a request; in one of Feast's modes."""

    def build(views):
        sources = [views["orders"], RequestSource(name="request", schema=[Field(name="label", dtype=Int64)])]
        schema = [Field(name="twice", dtype=Float64), Field(name="labelled", dtype=Float64)]

        def of_pandas(inputs: pd.DataFrame) -> pd.DataFrame:
            found = pd.DataFrame()
            found["twice"] = inputs["spend"] * 2
            found["labelled"] = inputs["spend"] + inputs["label"]
            return found

        def of_python(inputs: dict) -> dict:
            spend = [None if one is None or one != one else one for one in inputs["spend"]]
            return {
                "twice": [None if one is None else one * 2 for one in spend],
                "labelled": [
                    None if one is None else one + label
                    for one, label in zip(spend, inputs["label"], strict=True)
                ],
            }

        chosen = of_pandas if mode == "pandas" else of_python
        return on_demand_feature_view(sources=sources, schema=schema, mode=mode)(chosen)

    return build


@pytest.mark.parametrize("mode", ["pandas", "python"])
@pytest.mark.parametrize("full_names", [False, True])
def test_on_demand_views(tmp_path: Path, mode: str, full_names: bool) -> None:
    world = random_world(11)
    # Feast hands a view all entity rows at once, so a tie settled twice would show.
    store = make_store(tmp_path, OURS, world.views, on_demand(mode))
    name = f"of_{mode}"
    found = ask(
        store,
        frame(world.asked),
        [*ORDERS, f"{name}:twice", f"{name}:labelled"],
        full_feature_names=full_names,
    )
    own, other = ("orders__", f"{name}__") if full_names else ("", "")
    spends = [row[f"{own}spend"] for row in found]
    assert_answers(found, world.asked, [question(world.views[0])], lambda one, feature: f"{own}{feature}")
    assert [row[f"{other}twice"] for row in found] == [spend and spend * 2 for spend in spends]
    assert [row[f"{other}labelled"] for row in found] == [
        None if spend is None else spend + row["label"]
        for spend, row in zip(spends, world.asked, strict=True)
    ]
    assert any(spends)


@pytest.mark.parametrize("mode", ["pandas", "python"])
@pytest.mark.parametrize("rows", [0, 100])
def test_on_demand_views_stream_in_their_declared_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, rows: int
) -> None:
    monkeypatch.setattr(offline_job, "SLICE_ROWS", 7)
    world = random_world(11)
    store = make_store(tmp_path, OURS, world.views, on_demand(mode))
    asked = frame(world.asked).iloc[:rows]
    job = store.get_historical_features(asked, [*ORDERS, f"of_{mode}:twice", f"of_{mode}:labelled"])
    streamed = job.to_arrow_reader().read_all()
    assert [streamed.schema.field(name).type for name in ("twice", "labelled")] == [pa.float64()] * 2
    assert cells(streamed) == cells(job.to_arrow())
    job.to_parquet(tmp_path / "answer.parquet")
    assert pq.read_table(tmp_path / "answer.parquet").equals(streamed)


def test_a_feature_service_in_its_order_with_an_on_demand_view(tmp_path: Path) -> None:
    world = random_world(11)
    made = on_demand("pandas")

    def service(views):
        return FeatureService(name="mine", features=[views["visits"], views["orders"][["spend"]]])

    store = make_store(tmp_path, OURS, world.views, made, service)
    table = store.get_historical_features(frame(world.asked), store.get_feature_service("mine")).to_arrow()
    assert table.column_names[-3:] == ["visits", "guide", "spend"]
    spend = question(replace(world.views[0], features={"spend": "share"}))
    assert_answers(cells(table), world.asked, [question(world.views[1]), spend])


def test_to_df_and_a_file_say_the_same(tmp_path: Path) -> None:
    world = random_world(1)
    job = make_store(tmp_path, OURS, world.views).get_historical_features(frame(world.asked), ORDERS)
    table = job.to_arrow()
    job.to_parquet(tmp_path / "answer.parquet")
    assert pq.read_table(tmp_path / "answer.parquet").equals(table)
    assert cells(pa.Table.from_pandas(job.to_df()).select(table.column_names)) == cells(table)


@pytest.mark.parametrize("path", ["saved.parquet", "saved"])
def test_a_saved_dataset(tmp_path: Path, path: str) -> None:
    world = random_world(1)
    store = make_store(tmp_path, OURS, world.views)
    storage = SavedDatasetFileStorage(str(tmp_path / path))

    def save(rows, **more):
        job = store.get_historical_features(frame(rows), [*ORDERS, *VISITS])
        store.create_saved_dataset(job, "kept", storage, **more)
        return store.get_saved_dataset("kept")

    whole = save(world.asked)
    instants = [row[ASKED] for row in world.asked]
    assert plain(whole.min_event_timestamp) == min(instants)
    assert plain(whole.max_event_timestamp) == max(instants)
    kept = cells(pq.read_table(tmp_path / path))
    assert [row[ROW] for row in kept] == list(range(len(world.asked)))
    assert_answers(kept, world.asked, [question(view) for view in world.views])
    # What Feast takes back are keys, instants and features, not other columns.
    found = whole.to_df()
    assert set(found) == {
        "customer_id",
        "shop_id",
        ASKED,
        *(name.split(":")[1] for name in (*ORDERS, *VISITS)),
    }
    order = lambda row: [str(row[name]) for name in ("customer_id", "shop_id", ASKED)]  # noqa: E731
    back = sorted(cells(pa.Table.from_pandas(found)), key=order)
    assert back == sorted(({name: row[name] for name in found} for row in kept), key=order)
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        save(world.asked[:7])
    assert len(store.get_saved_dataset("kept").to_df()) == len(world.asked)
    assert len(save(world.asked[:7], allow_overwrite=True).to_df()) == 7


def rows_of(view: View, first: datetime, last: datetime) -> list[dict]:
    """The view's rows between two instants, ends included."""
    return [row for row in view.rows if row["happened"] and first <= row["happened"] <= last]


def pulled(store: FeatureStore, view: View, kind: str, first: datetime, last: datetime) -> list[dict]:
    """What materialization pulls from a view's source."""
    declared = store.get_feature_view(view.name)
    provider = store._get_provider()
    method = getattr(provider.offline_store, f"pull_{kind}_from_table_or_query")
    in_file = {known: column for column, known in view.mapped.items()}
    job = method(
        config=store.config,
        data_source=declared.batch_source,
        join_key_columns=[in_file.get(key, key) for key in view.keys],
        feature_name_columns=[in_file.get(name, name) for name in view.features],
        timestamp_field=in_file.get("happened", "happened"),
        created_timestamp_column="written" if view.has_written else None,
        start_date=first.replace(tzinfo=UTC),
        end_date=last.replace(tzinfo=UTC),
    )
    return [
        {view.mapped.get(name, name): value for name, value in row.items()} for row in cells(job.to_arrow())
    ]


@pytest.mark.parametrize("kind", [OURS, DUCKDB])
@pytest.mark.parametrize("seed", range(4))
def test_pulling_every_row_between_two_instants(tmp_path: Path, kind: str, seed: int) -> None:
    view = random_world(seed).views[0]
    first, last = START + 3 * MINUTE, sorted(row["happened"] for row in view.rows if row["happened"])[-5]
    store = make_store(tmp_path, kind, [view])
    names = [*view.keys, "happened", *view.features, *(["written"] if view.has_written else [])]
    expected = [{name: row[name] for name in names} for row in rows_of(view, first, last)]
    found = [{name: row[name] for name in names} for row in pulled(store, view, "all", first, last)]
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert len(expected) > 3


@pytest.mark.parametrize("kind", [OURS, DUCKDB])
@pytest.mark.parametrize("seed", range(4))
def test_pulling_the_last_row_of_each_key(tmp_path: Path, kind: str, seed: int) -> None:
    view = random_world(seed).views[1]
    view = replace(view, rows=[row for row in view.rows if None not in (row["customer_id"], row["shop_id"])])
    first, last = START + 3 * MINUTE, sorted(row["happened"] for row in view.rows if row["happened"])[-5]
    found = pulled(make_store(tmp_path, kind, [view]), view, "latest", first, last)
    counted = replace(view, rows=rows_of(view, first, last), ttl=timedelta(0))
    keys = {(row["customer_id"], row["shop_id"]) for row in counted.rows}
    assert sorted((row["customer_id"], row["shop_id"]) for row in found) == sorted(keys)
    for row in found:
        asked = {"customer_id": row["customer_id"], "shop_id": row["shop_id"], ASKED: last}
        assert tuple(row[name] for name in view.features) in question(counted).answers(asked)


def test_materialized_values_are_those_of_the_last_rows(tmp_path: Path) -> None:
    view = random_world(5).views[0]
    view = replace(view, rows=[row for row in view.rows if row["customer_id"]], ttl=timedelta(0))
    store = make_store(tmp_path, OURS, [view])
    last = max(row["happened"] for row in view.rows if row["happened"]) - MINUTE
    store.materialize(START - MINUTE, last)
    keys = sorted({row["customer_id"] for row in rows_of(view, START - MINUTE, last)})
    features = ["orders:orders", "orders:spend", "orders:last_word"]
    found = store.get_online_features(features, [{"customer_id": key} for key in keys]).to_dict()
    part = question(replace(view, features={"orders": "number", "spend": "share", "last_word": "word"}))
    for place, key in enumerate(keys):
        values = tuple(found[name][place] for name in part.view.features)
        assert values in part.answers({"customer_id": key, ASKED: last})


@pytest.mark.parametrize("path", ["{}.parquet", "{}/part.parquet"])
def test_rows_written_offline_are_found(tmp_path: Path, path: str) -> None:
    view = replace(random_world(2).views[0], mapped={}, has_written=True, ttl=timedelta(0))
    asked = random_world(2).asked
    store = make_store(tmp_path, OURS, [view], path=path)
    if "/" in path:
        move_source(store, view, tmp_path / "orders")
    late = START + 500 * MINUTE
    new = view.rows[0] | {"customer_id": "a", "happened": late, "written": late, "orders": 77}
    order = pq.read_schema(tmp_path / path.format("orders")).names
    table = {name: [new[name]] for name in order}
    for name in ("happened", "written"):
        table[name] = pd.to_datetime(table[name])
    store.write_to_offline_store("orders", pd.DataFrame(table))
    grown = replace(view, rows=[*view.rows, new])
    asked = [*asked, {**asked[0], "customer_id": "a", ASKED: late, ROW: len(asked)}]
    found = ask(store, frame(asked), ORDERS)
    assert found[-1]["orders"] == 77
    assert_answers(found, asked, [question(grown)])


def move_source(store: FeatureStore, view: View, path: Path) -> None:
    """Read the view from another path: a folder, or a pattern."""
    store.apply([view.feast(path)])


@pytest.mark.parametrize("pattern", ["", "*.parquet", "part-[01].parquet"])
def test_a_folder_and_a_pattern_of_files(tmp_path: Path, pattern: str) -> None:
    world = random_world(3)
    view = world.views[0]
    store = make_store(tmp_path, OURS, [view])
    for number, rows in enumerate((view.rows[::2], view.rows[1::2])):
        replace(view, rows=rows).write(tmp_path / "parts" / f"part-{number}.parquet")
    (tmp_path / "parts" / "_SUCCESS").touch()
    move_source(store, view, tmp_path / "parts" / pattern if pattern else tmp_path / "parts")
    assert_answers(ask(store, frame(world.asked), ORDERS), world.asked, [question(view)])


def test_a_relative_path_is_below_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = random_world(3)
    view = world.views[0]
    view.write(tmp_path / "data" / "orders.parquet")
    monkeypatch.chdir(tmp_path)
    store = bare_store(tmp_path, OURS)
    store.apply([CUSTOMER, view.feast(Path("data/orders.parquet"))])
    monkeypatch.chdir("/")
    assert_answers(ask(store, frame(world.asked), ORDERS), world.asked, [question(view)])


def test_logged_features_come_back(tmp_path: Path) -> None:
    world = random_world(2)

    def service(views):
        logging = LoggingConfig(destination=FileLoggingDestination(path=str(tmp_path / "logs")))
        return FeatureService(name="served", features=[views["orders"][["spend"]]], logging_config=logging)

    store = make_store(tmp_path, OURS, world.views[:1], service)
    served = store.get_feature_service("served")
    instants = [START + n * MINUTE for n in range(3)]
    schema = {
        "customer_id": pa.array(["a", "b", "a"]),
        "orders__spend": pa.array([1.5, None, 2.5]),
        "orders__spend__timestamp": pa.array(instants, pa.timestamp("us", "UTC")),
        "orders__spend__status": pa.array([2, 0, 2], pa.int32()),
        "__log_timestamp": pa.array(instants, pa.timestamp("us", "UTC")),
        "__log_date": pa.array([instant.date() for instant in instants], pa.date32()),
        "__request_id": pa.array(["1", "2", "3"]),
    }
    logs = pa.table(schema)
    store.write_logged_features(logs, served)
    pq.write_table(logs.slice(0, 1), tmp_path / "more.parquet")
    store.write_logged_features(tmp_path / "more.parquet", served)
    rows = [row for file in (tmp_path / "logs").rglob("*.parquet") for row in pq.read_table(file).to_pylist()]
    assert sorted(row["__request_id"] for row in rows) == ["1", "1", "2", "3"]
    assert {row["orders__spend"] for row in rows} == {1.5, None, 2.5}


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"shop_id": [1], ASKED: [START]}, "no column customer_id"),
        ({"customer_id": ["a"], "spend": [1.0], ASKED: [START]}, "already have a column spend"),
        ({"customer_id": ["a"], "at": ["2024-01-01"]}, "none called event_timestamp"),
        ({"customer_id": ["a"], ASKED: ["soon"]}, "'soon'"),
        ({"customer_id": ["a"], ASKED: [12]}, "is of type int64"),
    ],
)
def test_rows_that_cannot_be_asked(tmp_path: Path, columns: dict, sentence: str) -> None:
    store = make_store(tmp_path, OURS, random_world(0).views[:1])
    with pytest.raises(FeatureError, match=sentence):
        ask(store, pd.DataFrame(columns), ["orders:spend"])


def test_the_only_column_of_instants_is_taken(tmp_path: Path) -> None:
    world = random_world(0)
    rows = frame(world.asked).rename(columns={ASKED: "at"})
    found = ask(make_store(tmp_path, OURS, world.views), rows)
    assert_answers(
        [row | {ASKED: row["at"]} for row in found], world.asked, [question(one) for one in world.views]
    )


@pytest.mark.parametrize("name", ["row", "number", "place", "instant", "a b", "it's", 'a "b"', "Ü", "select"])
def test_features_of_any_name(tmp_path: Path, name: str) -> None:
    row = {"customer_id": "a", "happened": START, "written": None, name: 7}
    view = View("view", ("customer_id",), {name: "number"}, [row])
    asked = pd.DataFrame({"customer_id": ["a", "b"], ASKED: [START, START]})
    assert [found[name] for found in ask(make_store(tmp_path, OURS, [view]), asked, [f"view:{name}"])] == [
        7,
        None,
    ]


def test_views_of_any_name(tmp_path: Path) -> None:
    names = ["matches", "latest", "tied", "latest_rows", "entity_rows", "keys", "owners"]
    views = [
        View(
            name,
            ("customer_id",),
            {f"of_{name}": "number"},
            [{"customer_id": "a", "happened": START, "written": None, f"of_{name}": number}],
        )
        for number, name in enumerate(names)
    ]
    asked = pd.DataFrame({"customer_id": ["a"], ASKED: [START]})
    (found,) = ask(make_store(tmp_path, OURS, views), asked, [f"{name}:of_{name}" for name in names])
    assert [found[f"of_{name}"] for name in names] == list(range(7))


def test_a_name_that_duckdb_keeps_for_itself_is_refused(tmp_path: Path) -> None:
    row = {"customer_id": "a", "happened": START, "written": None, "file_index": 0}
    view = View("view", ("customer_id",), {"file_index": "number"}, [row])
    asked = pd.DataFrame({"customer_id": ["a"], ASKED: [START]})
    with pytest.raises(FeatureError, match="has a column file_index"):
        ask(make_store(tmp_path, OURS, [view]), asked, ["view:file_index"])


def test_columns_of_any_type_and_case_stay(tmp_path: Path) -> None:
    world = random_world(0)
    table = pa.table(
        {
            "customer_id": ["a", "nobody"],
            ASKED: [START, START],
            "SPEND": [[1, 2], None],
            "Customer_ID": pa.array([{"x": 1.5}, None]),
            "part": pa.array(["u", "v"]).dictionary_encode(),
        }
    )
    store = make_store(tmp_path, OURS, world.views)
    answer = store.get_historical_features(table, ["orders:spend"]).to_arrow()
    assert answer.select(table.column_names).equals(table)
    assert answer.column_names == [*table.column_names, "spend"]


def test_a_range_of_a_view_about_the_world_as_a_whole(tmp_path: Path) -> None:
    rows = [{"happened": START + n * MINUTE, "written": None, "rate": float(n)} for n in (0, 1, 1, 2, 3)]
    store = make_store(tmp_path, OURS, [View("rates", (), {"rate": "share"}, rows)])
    between = {"start_date": START + MINUTE, "end_date": START + 2 * MINUTE}
    found = cells(store.get_historical_features(features=["rates:rate"], **between).to_arrow())
    assert found == [{ASKED: START + n * MINUTE, "rate": float(n)} for n in (1, 2)]


def test_a_range_of_views_of_different_entities_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path, OURS, random_world(0).views)
    with pytest.raises(FeatureError, match="different entities: give entity rows"):
        ask(store, None, start_date=START, end_date=START + MINUTE)


def test_rows_pushed_offline_are_found(tmp_path: Path) -> None:
    rows = [{"customer_id": "a", "happened": START, "written": START, "n": 1}]
    view = View("view", ("customer_id",), {"n": "number"}, rows, has_written=True)
    store = make_store(tmp_path, OURS, [view])
    batch = store.get_feature_view("view").batch_source
    source = PushSource(name="pushed", batch_source=batch)
    pushed = FeatureView(
        name="view",
        entities=[CUSTOMER],
        ttl=timedelta(0),
        schema=[Field(name="n", dtype=Int64)],
        source=source,
    )
    store.apply([source, pushed])
    late = START + MINUTE
    new = {"customer_id": ["a", "b"], "happened": [late, late], "written": [late, late], "n": [2, 3]}
    store.push("pushed", pd.DataFrame(new), to=PushMode.OFFLINE)
    asked = [{"customer_id": who, ASKED: late, ROW: row} for row, who in enumerate("ab")]
    assert [row["n"] for row in ask(store, frame(asked), ["view:n"])] == [2, 3]


def test_rows_of_other_columns_are_not_written(tmp_path: Path) -> None:
    view = View(
        "view",
        ("customer_id",),
        {"n": "number"},
        [{"customer_id": "a", "happened": START, "written": START, "n": 1}],
    )
    store = make_store(tmp_path, OURS, [view])
    before = (tmp_path / "view.parquet").read_bytes()
    table = pa.table({"customer_id": ["a"], "happened": [START], "n": [2], "more": [1]})
    with pytest.raises(ValueError, match="more"):
        store._get_provider().offline_store.offline_write_batch(
            store.config, store.get_feature_view("view"), table, None
        )
    assert (tmp_path / "view.parquet").read_bytes() == before


@pytest.mark.parametrize("damage", ["missing", "damaged", "without the feature"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    world = random_world(0)
    store = make_store(tmp_path, OURS, world.views[:1])
    file = tmp_path / "orders.parquet"
    if damage == "missing":
        file.unlink()
    elif damage == "damaged":
        file.write_bytes(b"PAR1 no more PAR1")
    else:
        pq.write_table(pq.read_table(file).drop_columns(["spend"]), file)
    with pytest.raises(FeatureError, match=re.escape(str(tmp_path))):
        ask(store, frame(world.asked), ORDERS)
