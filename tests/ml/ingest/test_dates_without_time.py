"""Dates without a time of day: a hint, and --dates-known end-of-day; columns of a change log are named."""

from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ml.common.errors import SourceError
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.batch import Batch
from ml.ingest.change_log import note_on_change_log
from ml.ingest.declaration import raw_table

HINT = "every ordered_at of orders is at midnight, so it may be a date without a time of day"


def write(folder: Path, instants: list[str], loaded: str = "") -> Path:
    """A shop of one customer with an order at each instant."""
    folder.mkdir(exist_ok=True)
    (folder / "customers.csv").write_text("customer_id,registered_at\na,2020-01-01\n")
    rows = [f"o{instant},a,{instant},5,{loaded}" for instant in instants]
    head = "order_id,customer_id,ordered_at,total_amount,loaded_at"
    (folder / "orders.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


def dates(count: int, month: int = 1) -> list[str]:
    return [f"2024-{month:02d}-{day + 1:02d}" for day in range(count)]


def loaded_at(home: Path) -> list[datetime | None]:
    folder = Home.at(home).current_load() / "orders"
    rows = [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    return [row["loaded_at"] for row in rows]


def test_a_table_of_dates_is_named_and_known_at_midnight_without_the_option(tmp_path: Path) -> None:
    result = ingest(write(tmp_path / "raw", dates(20)), home=tmp_path / "home")
    assert [note for note in result["notes"] if note.startswith(HINT)] != []
    assert loaded_at(tmp_path / "home") == [None] * 20
    assert result["data_clock"] == "2024-01-20T00:00:00Z"


@pytest.mark.parametrize(
    ("instants", "loaded"),
    [(dates(19), ""), ([*dates(19), "2024-01-20 08:00:00"], ""), (dates(20), "2024-02-01")],
    ids=["few rows", "a time of day", "loaded_at is there"],
)
def test_other_tables_get_no_hint(tmp_path: Path, instants: list[str], loaded: str) -> None:
    result = ingest(write(tmp_path / "raw", instants, loaded), home=tmp_path / "home")
    assert [note for note in result["notes"] if note.startswith(HINT)] == []


def test_declared_so_they_are_known_at_the_last_microsecond_of_their_day(tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = ingest(write(tmp_path / "raw", dates(2)), home=home, dates_known="end-of-day")
    expected = [datetime(2024, 1, day, 23, 59, 59, 999999) for day in (1, 2)]
    assert loaded_at(home) == expected
    assert result["data_clock"] == "2024-01-02T23:59:59.999999Z"
    ingest(write(tmp_path / "raw", dates(1, month=2)), home=home, append=True)
    assert loaded_at(home) == [*expected, datetime(2024, 2, 1, 23, 59, 59, 999999)]


@pytest.mark.parametrize(
    ("zone", "instant"),
    [
        ("Europe/Berlin", datetime(2024, 1, 1, 22, 59, 59, 999999)),
        ("+02:00", datetime(2024, 1, 1, 21, 59, 59, 999999)),
        ("America/New_York", datetime(2024, 1, 2, 4, 59, 59, 999999)),
    ],
)
def test_the_day_is_that_of_the_zone(tmp_path: Path, zone: str, instant: datetime) -> None:
    raw = write(tmp_path / "raw", dates(1))
    ingest(raw, home=tmp_path / "home", timezone=zone, dates_known="end-of-day")
    assert loaded_at(tmp_path / "home") == [instant]


def test_rows_with_a_time_of_day_keep_their_instant(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", ["2024-01-01", "2024-01-02 08:00:00"])
    ingest(raw, home=tmp_path / "home", dates_known="end-of-day")
    assert loaded_at(tmp_path / "home") == [None, None]


def test_columns_of_a_change_log_are_named(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", dates(1))
    (raw / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,total_amount,op,__deleted\no1,a,2024-01-01,5,d,true\n"
    )
    result = ingest(raw, home=tmp_path / "home")
    (note,) = [note for note in result["notes"] if note.startswith("orders: not used")]
    assert "op, __deleted; rows marked as deleted there count like any other" in note
    own = {name: (name, "VARCHAR") for name in ("channel_note", "opinion")}
    assert (
        note_on_change_log("orders", [Batch(raw_table("orders"), "orders.csv", "read_orders", own)]) is None
    )
    (raw / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,total_amount,op\no1,a,2024-01-01,,d\no2,a,2024-01-01,5,c\n"
    )
    with pytest.raises(SourceError, match=r"total_amount is missing.*; orders: not used, .*: op; rows"):
        ingest(raw, home=tmp_path / "home")
