"""Point-in-time retrieval against a loop over rows in Python, and at the door."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random

import pyarrow as pa
import pytest

from ml.common.errors import FeatureError, RowsError
from ml.featurestore.retrieval import retrieve as retrieval
from ml.featurestore.retrieval.retrieve import point_in_time, point_in_time_stream
from tests.builds import Model, publish_build

MICRO = timedelta(microseconds=1)
START = datetime(2024, 1, 1)
ORDERS = {"orders": "BIGINT", "spend": "DECIMAL(18,4)", "last_at": "TIMESTAMP"}
PROFILE = {"city": "VARCHAR", "born": "DATE", "verified": "BOOLEAN"}
ON_DEMAND = [
    {"name": "value", "formula": "spend / orders", "description": "Spend an order."},
    {"name": "gap", "formula": "days(last_at, asked_at)", "description": "Days since."},
    {"name": "age", "formula": "days(born, asked_at) / 365.25", "description": "Years."},
]
FEATURES = [*ORDERS, *PROFILE, "value", "gap", "age"]


def models(order_rows, profile_rows):
    return (
        Model("orders", ORDERS, order_rows, ON_DEMAND[:2]),
        Model("profile", PROFILE, profile_rows, ON_DEMAND[2:]),
    )


def random_world(random):
    """Rows of both views, some instants shared, and rows to ask for, most of them at an edge."""
    instants = [START + MICRO * random.randrange(10**13) for _ in range(12)]
    names = ["a", "b", "Ć", "d d", "1", "01"]
    seen = lambda: {(random.choice(names), random.choice(instants)) for _ in range(40)}  # noqa: E731
    maybe = lambda value: None if random.random() < 0.2 else value  # noqa: E731
    orders = [
        (*key, random.randrange(3), Decimal(random.randrange(10**12)) / 10**4, maybe(random.choice(instants)))
        for key in seen()
    ]
    profiles = [
        (*key, maybe(random.choice("xyz")), maybe(date(1980, 1, 1)), maybe(random.random() < 0.5))
        for key in seen()
    ]
    asked = [
        (random.choice([*names, "nobody"]), random.choice(instants) + random.randint(-1, 1) * MICRO)
        for _ in range(300)
    ]
    return orders, profiles, asked + asked[:30]


def expected(orders, profiles, customer, instant):
    """The values of one row, found by looking at every row there is."""
    values = [
        max(
            (row for row in rows if row[0] == customer and row[1] <= instant),
            key=lambda row: row[1],
            default=None,
        )
        for rows in (orders, profiles)
    ]
    count, spend, last_at, city, born, verified = [
        cell for row in values for cell in (row[2:] if row else (None,) * 3)
    ]
    value = float(spend) / count if count else None
    gap = (instant - last_at) / timedelta(days=1) if last_at else None
    age = (instant - datetime(born.year, born.month, born.day)) / timedelta(days=1) / 365.25 if born else None
    return [count, spend, last_at, city, born, verified, value, gap, age]


@pytest.mark.parametrize("seed", range(6))
def test_random_worlds(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(retrieval, "SLICE_ROWS", 70)
    orders, profiles, asked = random_world(Random(seed))
    build = publish_build(tmp_path, *models(orders, profiles))
    rows = asked_table(asked).append_column("note", pa.array(range(len(asked))))
    answer = point_in_time(build, rows)
    assert answer.column_names == ["customer_id", "event_timestamp", "note", *FEATURES]
    assert answer.select(rows.column_names).equals(rows)
    found = [list(row.values()) for row in answer.select(FEATURES).to_pylist()]
    assert found == [expected(orders, profiles, *row) for row in asked]


@pytest.fixture
def build(tmp_path):
    orders = [
        ("a", START, 0, Decimal(0), None),
        ("a", START + timedelta(days=1), 1, Decimal("12.5"), START + timedelta(days=1)),
        ("7", START, 3, Decimal("1.0001"), START),
    ]
    return publish_build(tmp_path, *models(orders, [("a", START, "x", date(1990, 1, 1), True)]))


def asked_table(rows, timestamps=None):
    customers = pa.array([customer for customer, _ in rows], pa.string())
    return pa.table(
        {
            "customer_id": customers,
            "event_timestamp": pa.array([t for _, t in rows], timestamps or pa.timestamp("us")),
        }
    )


def orders_of(build, table):
    return point_in_time(build, table, features=["orders"])["orders"].to_pylist()


def test_the_row_of_the_instant_itself_counts(build):
    second = START + timedelta(days=1)
    asked = [
        ("a", START - MICRO),
        ("a", START),
        ("a", second - MICRO),
        ("a", second),
        ("a", datetime(2030, 1, 1)),
    ]
    assert orders_of(build, asked_table(asked)) == [None, 0, 0, 1, 1]


def test_types_of_the_answer(build):
    schema = point_in_time(build, asked_table([("a", START)])).schema
    kinds = [schema.field(name).type for name in FEATURES]
    assert kinds == [
        pa.int64(), pa.decimal128(18, 4), pa.timestamp("us"), pa.string(), pa.date32(), pa.bool_(),
        pa.float64(), pa.float64(), pa.float64(),
    ]  # fmt: skip
    assert point_in_time(build, asked_table([]))["spend"].type == pa.decimal128(18, 4)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("2024-01-02T00:00:00", 1),
        ("2024-01-02", 1),
        ("2024-01-01 23:59:59.999999", 0),
        ("2024-01-02T00:00:00.000000Z", 1),
        ("2024-01-02T02:00:00+02:00", 1),
        ("2024-01-02T01:59:59.999999+0200", 0),
        ("2024-01-01T19:00:00-05:00", 1),
        ("2024-01-01 19:00:00 -0500", 1),
        ("2024-01-01 18:59:59.999999 -0500", 0),
        (" 2024-01-02T00:00Z ", 1),
        ("20240102", 1),
        ("20240102T015959.999999+0200", 0),
    ],
)
def test_instants_as_text(build, written, found):
    assert orders_of(build, asked_table([("a", written)], pa.string())) == [found]


@pytest.mark.parametrize(
    ("instant", "kind", "found"),
    [
        (datetime(2024, 1, 2, tzinfo=UTC), pa.timestamp("us", "UTC"), 1),
        (datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))), pa.timestamp("ms", "Europe/Paris"), 1),
        (datetime(2024, 1, 1, 23, tzinfo=UTC), pa.timestamp("us", "Europe/Paris"), 0),
        (date(2024, 1, 2), pa.date32(), 1),
        (date(2024, 1, 1), pa.date64(), 0),
        (datetime(2024, 1, 2), pa.timestamp("s"), 1),
        (1704153599999999999, pa.timestamp("ns"), 0),
        (1704153600000000001, pa.timestamp("ns"), 1),
        ("2024-01-02", pa.dictionary(pa.int8(), pa.string()), 1),
    ],
)
def test_instants_of_other_types(build, instant, kind, found):
    rows = asked_table([("a", instant)], kind)
    assert orders_of(build, rows) == [found]
    assert point_in_time(build, rows).select(["event_timestamp"]).equals(rows.select(["event_timestamp"]))


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint8(), pa.string(), pa.large_string(), pa.string_view()])
def test_customers_of_other_types(build, kind):
    customers = pa.array(["7" if kind not in (pa.int64(), pa.uint8()) else 7], kind)
    rows = pa.table({"customer_id": customers, "event_timestamp": [START]})
    assert orders_of(build, rows) == [3]
    assert point_in_time(build, rows)["customer_id"].type == kind


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.decimal128(38, 0), pa.decimal128(38, 10)])
def test_whole_numbers_of_any_type_are_customers(build, kind):
    customers = pa.array([7], pa.int64()).cast(kind)
    assert orders_of(build, pa.table({"customer_id": customers, "event_timestamp": [START]})) == [3]


def test_keys_and_instants_without_the_mark_of_text(build):
    keys = {"customer_id": [b"7"], "event_timestamp": [b"2024-01-02"]}
    rows = pa.table({name: pa.array(values, pa.binary()) for name, values in keys.items()})
    asked = pa.table({"customer_id": ["7"], "event_timestamp": ["2024-01-02"]})
    assert orders_of(build, rows) == orders_of(build, asked)
    with pytest.raises(RowsError, match="customer_id holds bytes that are no UTF-8"):
        point_in_time(build, rows.set_column(0, "customer_id", pa.array([b"\xff"])))


def test_own_columns_stay_as_they_are(build):
    own = {
        "split": pa.array(["train", None]).dictionary_encode(),
        "Wide": pa.array([{"x": [1, None]}, None]),
        "churned": pa.array([1, 0], pa.int8()),
        "row": pa.array([float("nan"), 0.1], pa.float32()),
    }
    rows = pa.table(own | {"event_timestamp": [START, START], "customer_id": ["a", "nobody"]})
    answer = point_in_time(build, rows)
    assert answer.column_names == [*rows.column_names, *FEATURES]
    assert answer.schema.field("Wide").type == rows.schema.field("Wide").type
    assert str(answer.select(rows.column_names).to_pylist()) == str(rows.to_pylist())
    assert answer["orders"].to_pylist() == [0, None]


def test_chosen_features_come_in_the_catalogs_order(build):
    answer = point_in_time(build, asked_table([("a", datetime(2024, 1, 2))]), features=["value", "city"])
    assert answer.drop_columns(["customer_id", "event_timestamp"]).to_pylist() == [
        {"city": "x", "value": 12.5}
    ]


def test_a_stream_in_and_out(build):
    rows = asked_table([("a", START + timedelta(hours=hour)) for hour in range(100)])
    told = []
    reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=7))
    stream = point_in_time_stream(build, reader, on_progress=lambda done, total: told.append((done, total)))
    assert stream.read_all().equals(point_in_time(build, rows))
    assert told == [(100, 100)]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"customer_id": ["a"]}, "no column event_timestamp: .* have customer_id"),
        ({"event_timestamp": [START]}, "no column customer_id"),
        ({"customer_id": ["a", None], "event_timestamp": [START, None]}, "customer_id is null in row 2"),
        (
            {"customer_id": ["a"] * 3, "event_timestamp": [START, START, None]},
            "event_timestamp is null in row 3",
        ),
        ({"customer_id": [1.5], "event_timestamp": [START]}, "customer_id is of type double"),
        ({"customer_id": ["a"], "event_timestamp": [20240101]}, "event_timestamp is of type int64"),
        (
            {"customer_id": ["a"] * 2, "event_timestamp": ["2024-01-01", "01/02/2024"]},
            "'01/02/2024' in row 2",
        ),
        ({"customer_id": ["a"], "event_timestamp": ["infinity"]}, "'infinity' in row 1"),
        ({"customer_id": ["a"], "event_timestamp": ["24-01-01"]}, "'24-01-01' in row 1"),
        ({"customer_id": ["a"], "event_timestamp": ["2024-01-01 12:00:00 EST"]}, "EST' in row 1"),
        ({"customer_id": ["a"], "event_timestamp": ["0024-01-01"]}, "'0024-01-01' in row 1"),
        ({"customer_id": ["a"], "event_timestamp": [""]}, "'' in row 1"),
        ({"customer_id": ["a"], "event_timestamp": ["2024-02-30"]}, "'2024-02-30' in row 1"),
        ({"customer_id": ["a"], "event_timestamp": [START], "Orders": [1]}, "Orders, which is a feature"),
        ({"customer_id": ["a"], "event_timestamp": [START], "x": [1], "X": [1]}, "two columns called X"),
    ],
)
def test_refused_rows(build, columns, sentence):
    with pytest.raises(RowsError, match=sentence):
        point_in_time(build, pa.table(columns))


def test_an_unknown_feature_is_named(build):
    with pytest.raises(RowsError, match=r"no feature order: did you mean orders\?"):
        point_in_time(build, asked_table([]), features=["order"])


def test_an_instant_beyond_all_time_is_refused(build):
    with pytest.raises(RowsError, match="out of range"):
        point_in_time(build, asked_table([("a", 2**62)], pa.timestamp("s")))


def test_a_damaged_file_is_named(build):
    (build / "features" / "feat_customer_orders" / "slice-0001.parquet").write_bytes(b"PAR1 no more PAR1")
    with pytest.raises(FeatureError, match=r"orders could not be joined: .*'churn build' again"):
        point_in_time(build, asked_table([("a", START)]))


def test_a_view_without_files(build):
    for path in (build / "features" / "feat_customer_profile").iterdir():
        path.unlink()
    with pytest.raises(FeatureError, match="has no Parquet files: run 'churn build' again"):
        point_in_time(build, asked_table([("a", START)]))
