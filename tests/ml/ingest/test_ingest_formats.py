"""One set of rows in every format, type and zone: the raw layer is the same."""

import gzip
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest

from ml.ingest import ingest
from tests.ml.ingest.worlds import read_rejected, read_table, write_folder

CUSTOMER_TYPES = [
    ("customer_id", "VARCHAR"),
    ("registered_at", "TIMESTAMP"),
    ("birth_date", "DATE"),
    ("gender", "VARCHAR"),
    ("city", "VARCHAR"),
    ("country", "VARCHAR"),
    ("email", "VARCHAR"),
    ("acquisition_channel", "VARCHAR"),
    ("email_verified", "BOOLEAN"),
    ("phone_verified", "BOOLEAN"),
    ("updated_at", "TIMESTAMP"),
    ("deleted_at", "TIMESTAMP"),
    ("_file", "VARCHAR"),
    ("_row", "BIGINT"),
]


def write_parquet(file, query):
    """The rows of ``query`` as a Parquet file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    duckdb.connect().execute(f"copy ({query}) to '{file}' (format parquet)")


def described(home, table):
    """Column names and types of a table in the raw layer."""
    query = f"describe from read_parquet('{home.current_load()}/{table}/*.parquet')"
    return [row[:2] for row in duckdb.connect().execute(query).fetchall()]


def test_every_table_is_there_with_every_column(clean, home):
    ingest(clean, home=home)

    assert described(home, "customers") == CUSTOMER_TYPES
    assert ("satisfaction_score", "BIGINT") in described(home, "support_tickets")
    assert ("duration_seconds", "DECIMAL(18,4)") in described(home, "sessions")
    assert described(home, "order_items")[:6] == [
        ("order_id", "VARCHAR"),
        ("line_number", "BIGINT"),
        ("product_id", "VARCHAR"),
        ("category", "VARCHAR"),
        ("quantity", "DECIMAL(18,4)"),
        ("unit_price", "DECIMAL(18,4)"),
    ]
    assert read_table(home, "order_items") == []
    assert read_table(home, "rejected_rows") == []


def test_parquet_of_any_types_equals_csv(tmp_path, home):
    csv = {
        "customers": "customer_id,registered_at,birth_date,email_verified\n"
        "7,2024-01-01 08:30:00.123456,1990-05-01,true\n",
        "orders": "order_id,customer_id,ordered_at,total_amount\n100,7,2024-02-01,10.25\n",
        "support_tickets": "ticket_id,customer_id,opened_at,satisfaction_score\n5,7,2024-02-01T00:00:00Z,4\n",
    }
    ingest(write_folder(tmp_path / "csv", csv), home=home)
    columns = "* exclude (_file)"
    expected = {table: read_table(home, table, columns) for table in csv}

    parquet = tmp_path / "parquet"
    write_parquet(
        parquet / "customers.parquet",
        "select 7 as customer_id, timestamp_ns '2024-01-01 08:30:00.123456789' as registered_at, "
        "timestamp '1990-05-01 00:00:00' as birth_date, 1 as email_verified",
    )
    write_parquet(
        parquet / "orders.parquet",
        "select 100.0::double as order_id, 7::double as customer_id, date '2024-02-01' as ordered_at, "
        "10.25::double as total_amount",
    )
    write_parquet(
        parquet / "support_tickets.parquet",
        "select '5' as ticket_id, '7' as customer_id, timestamptz '2024-02-01 00:00:00+00' as opened_at, "
        "4.0::double as satisfaction_score",
    )
    ingest(parquet, home=home)

    assert {table: read_table(home, table, columns) for table in csv} == expected
    assert expected["customers"][0][:3] == ("7", datetime(2024, 1, 1, 8, 30, 0, 123456), date(1990, 5, 1))
    assert expected["orders"][0][:4] == ("100", "7", datetime(2024, 2, 1), Decimal("10.25"))


def test_parquet_values_that_are_no_numbers_or_instants(clean, home):
    (clean / "orders.csv").unlink()
    write_parquet(
        clean / "orders.parquet",
        "select * from (values ('o1', 'anna', timestamp 'infinity', 1.0::double), "
        "('o2', 'anna', timestamp '2024-01-01', 'nan'::double), "
        "('o3', 'anna', timestamp '2024-01-01', 1e300), "
        "('o4', 'anna', timestamp '2024-01-01', 0.30000000000000004)) "
        "as rows (order_id, customer_id, ordered_at, total_amount)",
    )
    ingest(clean, home=home, max_rejected=1)

    assert read_rejected(home) == {
        ("orders", 1, "ordered_at is not an instant"),
        ("orders", 2, "total_amount is missing"),
        ("orders", 3, "total_amount is not a number"),
    }
    contents = read_table(home, "rejected_rows", "row, content ->> 'total_amount'")
    assert contents[1] == (2, "nan")
    assert read_table(home, "orders", "total_amount::varchar") == [("0.3000",)]


def test_a_sub_folder_of_files_of_several_shapes_is_one_table(clean, home):
    (clean / "orders.csv").unlink()
    inside = clean / "orders"
    write_parquet(
        inside / "1.parquet",
        "select 'p1' as order_id, 'anna' as customer_id, timestamp '2024-02-01' as ordered_at, "
        "1 as total_amount",
    )
    write_parquet(
        inside / "2.parquet",
        "select 2 as order_id, 'anna' as customer_id, '2024-02-01' as ordered_at, "
        "'2' as total_amount, 9 as note",
    )
    with gzip.open(inside / "3.csv.gz", "wt") as file:
        file.write("total_amount;Order_ID; customer_id ;ORDERED_AT\n3;c3;anna;2024-02-01\n")
    (inside / "_SUCCESS").write_text("")

    ingest(clean, home=home)

    assert read_table(home, "orders", "order_id, total_amount::varchar, _file, _row, note") == [
        ("2", "2.0000", "orders/2.parquet", 1, "9"),
        ("c3", "3.0000", "orders/3.csv.gz", 1, None),
        ("p1", "1.0000", "orders/1.parquet", 1, None),
    ]


def test_the_raw_layer_can_be_loaded_again(clean, tmp_path, home):
    ingest(clean, home=home)
    before = read_table(home, "orders", "* exclude (_file)")
    ingest(home.current_load(), home=home)

    assert read_table(home, "orders", "* exclude (_file)") == before


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ("2024-03-31 01:59:59.999999", datetime(2024, 3, 31, 0, 59, 59, 999999)),
        ("2024-03-31 03:00:00", datetime(2024, 3, 31, 1, 0)),
        ("2024-10-27 01:59:59", datetime(2024, 10, 26, 23, 59, 59)),
        ("2024-10-27 03:00:00", datetime(2024, 10, 27, 2, 0)),
        ("2024-07-01", datetime(2024, 6, 30, 22, 0)),
        ("2024-07-01T00:00:00Z", datetime(2024, 7, 1)),
        ("2024-07-01T00:00:00-05:00", datetime(2024, 7, 1, 5)),
    ],
)
def test_instants_without_zone_are_in_the_zone_given(folder, home, given, instant):
    orders = f"order_id,customer_id,ordered_at,total_amount\no1,anna,{given},1\n"
    ingest(folder(orders=orders), home=home, timezone="Europe/Berlin")

    assert read_table(home, "orders", "ordered_at") == [(instant,)]


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ("2024-07-01 12:00", datetime(2024, 7, 1, 12)),
        ("2024-07-01T12:00:00+02:00", datetime(2024, 7, 1, 10)),
        ("2024-07-01 12:00:00-03", datetime(2024, 7, 1, 15)),
        (" 2024-07-01T12:00:00.000001Z ", datetime(2024, 7, 1, 12, 0, 0, 1)),
        ("2024-07-01 12:00:00 +0200", datetime(2024, 7, 1, 10)),
        ("2024-07-01 12:00:00 UTC", datetime(2024, 7, 1, 12)),
        ("20240701", datetime(2024, 7, 1)),
    ],
)
def test_instants_in_utc(folder, home, given, instant):
    orders = f"order_id,customer_id,ordered_at,total_amount\no1,anna,{given},1\n"
    ingest(folder(orders=orders), home=home)

    assert read_table(home, "orders", "ordered_at") == [(instant,)]


def test_parquet_instants_follow_the_zone_and_days_do_not(clean, home):
    (clean / "customers.csv").unlink()
    write_parquet(
        clean / "customers.parquet",
        "select 'anna' as customer_id, timestamp '2023-07-01 00:00:00' as registered_at, "
        "date '1990-05-01' as birth_date "
        "union all select 'ben', timestamp '2023-01-01 00:00:00', date '1991-01-01'",
    )
    ingest(clean, home=home, timezone="Europe/Berlin")

    assert read_table(home, "customers", "registered_at, birth_date") == [
        (datetime(2022, 12, 31, 23), date(1991, 1, 1)),
        (datetime(2023, 6, 30, 22), date(1990, 5, 1)),
    ]


@pytest.mark.parametrize(
    "born",
    ["1990-05-01", "19900501", "1990-05-01 00:30:00", "1990-05-01T00:30:00+02:00", "1990-05-01 23:30 -0500"],
)
def test_a_day_is_the_one_that_is_written(folder, home, born):
    ingest(
        folder(customers=f"customer_id,registered_at,birth_date\nanna,2024-01-01,{born}\nben,2024-01-01,\n"),
        home=home,
        timezone="Asia/Tokyo",
    )

    assert read_table(home, "customers", "birth_date")[0] == (date(1990, 5, 1),)


def test_quoted_text_keeps_its_commas_lines_and_quotes(folder, home):
    customers = 'customer_id,registered_at,city\r\nanna,2024-01-01,"a ""b"", c\nd"\r\nben,2024-01-01,\r\n'
    ingest(folder(customers=customers), home=home)

    assert read_table(home, "customers", "customer_id, city") == [("anna", 'a "b", c\nd'), ("ben", None)]


def test_a_header_alone_is_an_empty_optional_table(folder, home):
    result = ingest(folder(sessions="session_id,customer_id,started_at\n"), home=home)

    assert result["tables"]["sessions"] == {"read": 0, "accepted": 0, "rejected": 0}


@pytest.mark.parametrize("offset", ["-0500", "UTC"])
def test_an_offset_of_one_value_says_nothing_of_the_next(folder, home, offset):
    times = [
        "2024-02-01 10:00:00",
        f"2024-02-01 10:00:00 {offset}",
        "2024-02-01 10:00:00",
        "2024-02-01T10:00Z",
    ]
    lines = [f"o{number},anna,{time},1" for number, time in enumerate(times)]
    ingest(
        folder(orders="\n".join(["order_id,customer_id,ordered_at,total_amount", *lines])),
        home=home,
        timezone="Europe/Berlin",
    )

    hours = {"-0500": 15, "UTC": 10}
    assert read_table(home, "orders", "order_id, ordered_at") == [
        ("o0", datetime(2024, 2, 1, 9)),
        ("o1", datetime(2024, 2, 1, hours[offset])),
        ("o2", datetime(2024, 2, 1, 9)),
        ("o3", datetime(2024, 2, 1, 10)),
    ]


@pytest.mark.parametrize(
    ("zone", "instant", "born"),
    [
        ("+05:30", datetime(2024, 2, 1, 4, 30), date(1990, 5, 2)),
        ("-0500", datetime(2024, 2, 1, 15), date(1990, 5, 1)),
    ],
)
def test_the_zone_may_be_an_offset(folder, home, zone, instant, born):
    source = folder(orders="order_id,customer_id,ordered_at,total_amount\no1,anna,2024-02-01 10:00,1\n")
    (source / "customers.csv").unlink()
    write_parquet(
        source / "customers.parquet",
        "select 'anna' as customer_id, '2024-01-01' as registered_at, "
        "timestamptz '1990-05-01 20:00:00+00' as birth_date",
    )
    ingest(source, home=home, timezone=zone)

    assert read_table(home, "orders", "ordered_at") == [(instant,)]
    assert read_table(home, "customers", "birth_date") == [(born,)]
