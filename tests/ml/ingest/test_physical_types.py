"""Physical types are not logical ones: the same value reads alike whatever type a writer gave it."""

import re
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.common.errors import SourceError
from ml.ingest import ingest
from tests.ml.ingest.worlds import read_rejected, read_table

AT = datetime(2024, 2, 1, 10)


def write_tables(folder: Path, **tables: str) -> Path:
    """Each of ``tables``, a query, as a Parquet file."""
    folder.mkdir()
    for name, query in tables.items():
        duckdb.connect().execute(f"copy ({query}) to '{folder / name}.parquet' (format parquet)")
    return folder


def customers(key: str, more: str = "1 as one") -> str:
    return f"select {key} as customer_id, timestamp '2024-01-01' as registered_at, {more}"


def orders(key: str, at: str = "timestamp '2024-02-01 10:00:00'", amount: str = "1") -> str:
    return f"select 'o1' as order_id, {key} as customer_id, {at} as ordered_at, {amount} as total_amount"


def test_bytes_that_are_utf8_are_text(tmp_path, home):
    source = write_tables(
        tmp_path / "raw",
        customers=customers(
            r"'\xC3\xBC'::blob", r"'Z\xC3\xBCrich'::blob as city, 'true'::blob as email_verified"
        ),
        orders=orders("'ü'", "'2024-02-01 10:00'::blob", "'12.50'::blob"),
    )
    ingest(source, home=home)

    assert read_table(home, "customers", "customer_id, city, email_verified") == [("ü", "Zürich", True)]
    assert read_table(home, "orders", "customer_id, ordered_at, total_amount::varchar") == [
        ("ü", AT, "12.5000")
    ]


def test_bytes_that_are_no_utf8_are_rejected_with_a_hint(tmp_path, home):
    rows = f"{customers(repr('anna'), 'null::blob as city')} union all " + customers(
        "'ben'", r"'Z\xFCrich'::blob as city"
    )
    source = write_tables(tmp_path / "raw", customers=rows, orders=orders("'anna'"))
    result = ingest(source, home=home, max_rejected=1)

    assert read_rejected(home) == {("customers", 2, "city is not text")}
    assert result["examples"][0]["hint"] == "bytes that are no UTF-8: write the column as text in UTF-8"


@pytest.mark.parametrize(
    "key",
    [
        "17.0::double",
        "17.0::float",
        "17::decimal(38,0)",
        "17::decimal(38,10)",
        "17::hugeint",
        "'17'",
        "'17'::blob",
    ],
)
def test_a_whole_number_is_one_key_in_every_type(tmp_path, home, key):
    source = write_tables(tmp_path / "raw", customers=customers("17"), orders=orders(key))
    ingest(source, home=home)

    assert read_table(home, "orders", "customer_id") == [("17",)]


def test_keys_that_are_no_whole_numbers_stay_apart(tmp_path, home):
    source = write_tables(
        tmp_path / "raw", customers=customers("17.50::decimal(10,4)"), orders=orders("17.5::double")
    )
    ingest(source, home=home)

    assert read_table(home, "customers", "customer_id") == [("17.5",)]


@pytest.mark.parametrize(
    ("flag", "read"),
    [
        *[
            (text, True)
            for text in ("'t'", "'True'", "'YES'", "'y'", "'on'", "'1'", "'1.0'", "1", "1.0::double")
        ],
        *[
            (text, False)
            for text in ("'f'", "'FALSE'", "'no'", "'N'", "'off'", "'0'", "0::decimal(5,2)", "false")
        ],
        *[("1::decimal(38,10)", True), ("'NULL'", None), ("'nan'::double", None)],
    ],
)
def test_flags(tmp_path, home, flag, read):
    source = write_tables(
        tmp_path / "raw", customers=customers("'anna'", f"{flag} as email_verified"), orders=orders("'anna'")
    )
    ingest(source, home=home)

    assert read_table(home, "customers", "email_verified") == [(read,)]


@pytest.mark.parametrize(
    ("amount", "read"),
    [
        *[("'12.5'", "12.5000"), ("' +12.50 '", "12.5000"), ("'.5'", "0.5000"), ("'1e+05'", "100000.0000")],
        *[("12.5::double", "12.5000"), ("12.50::decimal(38,10)", "12.5000"), ("12::utinyint", "12.0000")],
    ],
)
def test_numbers(tmp_path, home, amount, read):
    source = write_tables(
        tmp_path / "raw", customers=customers("'anna'"), orders=orders("'anna'", amount=amount)
    )
    ingest(source, home=home)

    assert read_table(home, "orders", "total_amount::varchar") == [(read,)]


@pytest.mark.parametrize(
    "amount", ["'1_000'", "'1,000'", "'12,50'", "'1 000'", "'0x10'", "'$1'", "'1e'", "'inf'", "true"]
)
def test_what_is_no_number(tmp_path, home, amount):
    good = orders("'anna'", amount="'1'").replace("o1", "o2")
    bad = orders("'anna'", amount=f"{amount}::varchar")
    source = write_tables(tmp_path / "raw", customers=customers("'anna'"), orders=f"{bad} union all {good}")
    ingest(source, home=home, max_rejected=1)

    assert read_rejected(home) == {("orders", 1, "total_amount is not a number")}


@pytest.mark.parametrize(
    ("at", "hint"),
    [
        ("1706781600", "seconds since 1970 (2024-02-01T10:00:00Z)"),
        ("1706781600000", "milliseconds since 1970 (2024-02-01T10:00:00Z)"),
        ("1706781600.0::double", "seconds since 1970 (2024-02-01T10:00:00Z)"),
        ("45323::integer", "a spreadsheet's number of a day (2024-02-01)"),
    ],
)
def test_numbers_for_instants_are_refused_with_a_hint(tmp_path, home, at, hint):
    source = write_tables(tmp_path / "raw", customers=customers("'anna'"), orders=orders("'anna'", at))
    with pytest.raises(SourceError, match=f"1 x orders: ordered_at is not an instant .*{re.escape(hint)}"):
        ingest(source, home=home, max_rejected=1)


def test_a_day_as_a_number_of_eight_digits(tmp_path, home):
    source = write_tables(
        tmp_path / "raw", customers=customers("'anna'"), orders=orders("'anna'", "20240201")
    )
    ingest(source, home=home)

    assert read_table(home, "orders", "ordered_at") == [(datetime(2024, 2, 1),)]


TYPED = {
    "seconds": pa.timestamp("ms"),
    "nanoseconds": pa.timestamp("ns"),
    "with a zone": pa.timestamp("us", "Asia/Tokyo"),
    "nanoseconds with a zone": pa.timestamp("ns", "UTC"),
}


@pytest.mark.parametrize("kind", [*TYPED, "INT96"])
def test_instants_of_every_type(tmp_path, home, kind):
    """What Spark writes as INT96 is UTC, though no file says so; other types without a zone are not."""
    source = write_tables(
        tmp_path / "raw", customers=customers("'anna'", "timestamp '1990-05-01' as birth_date")
    )
    times = pa.array([AT], pa.timestamp("us", "UTC" if "zone" in kind else None)).cast(
        TYPED.get(kind, pa.timestamp("ns"))
    )
    table = pa.table({"order_id": ["o1"], "customer_id": ["anna"], "ordered_at": times, "total_amount": [1]})
    pq.write_table(table, source / "orders.parquet", use_deprecated_int96_timestamps=kind == "INT96")
    ingest(source, home=home, timezone="Asia/Tokyo")

    is_utc = "zone" in kind or kind == "INT96"
    assert read_table(home, "orders", "ordered_at") == [(AT if is_utc else AT.replace(hour=1),)]
    assert read_table(home, "customers", "birth_date") == [(date(1990, 5, 1),)]


def test_types_of_a_database(tmp_path, home):
    file = tmp_path / "shop.duckdb"
    with duckdb.connect(str(file)) as database:
        database.execute("create type town as enum ('Bonn', 'NULL')")
        database.execute(
            f"create table customers as {customers(repr('anna'), repr('NULL') + '::town as city')}"
        )
        database.execute(f"create table orders as {orders(repr('anna'), amount=repr('12.5') + '::json')}")
    ingest(f"duckdb:///{file}", home=home)

    assert read_table(home, "customers", "city") == [(None,)]
    assert read_table(home, "orders", "total_amount::varchar") == [("12.5000",)]
