"""A source is new when the content of its files is, and not when they were only touched."""

import os
import shutil
from pathlib import Path

import duckdb
import pytest

from ml.common.errors import UsageError
from ml.common.progress import SILENT
from ml.config.problem import Problem
from ml.daily_run.day import Day
from ml.daily_run.run_record import RunRecord
from ml.daily_run.source_files import SourceFiles, TakenIn
from ml.daily_run.steps import options_of, take_in
from ml.home.layout import Home
from ml.ingest import ingest


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    (folder / "orders").mkdir(parents=True)
    (folder / "orders" / "one.csv").write_text("order_id\n1\n")
    (folder / "customers.csv").write_text("customer_id\na\n")
    return folder


def taken_in(source: str | Path, tmp_path: Path) -> SourceFiles:
    """The source after it was read."""
    (tmp_path / "home" / "runs").mkdir(parents=True, exist_ok=True)
    files = SourceFiles(Home(tmp_path / "home"), str(source))
    assert files.is_new()
    files.remember(TakenIn(files.now(), "load-000001"))
    assert not files.is_new()
    return files


def test_a_file_is_new_by_its_content_alone(raw: Path, tmp_path: Path) -> None:
    files = taken_in(raw, tmp_path)
    os.utime(raw / "customers.csv", (1, 1))
    assert not files.is_new()
    (raw / "customers.csv").write_text("customer_id\nb\n")
    assert files.is_new()
    (raw / "customers.csv").write_text("customer_id\na\n")
    assert not files.is_new()


def test_a_file_that_came_or_went_is_new(raw: Path, tmp_path: Path) -> None:
    files = taken_in(raw, tmp_path)
    (raw / "orders" / "two.csv").write_text("order_id\n2\n")
    assert files.is_new()
    (raw / "orders" / "two.csv").unlink()
    assert not files.is_new()
    (raw / "orders" / "one.csv").unlink()
    assert files.is_new()


def test_an_ingest_that_had_only_begun_is_new(raw: Path, tmp_path: Path) -> None:
    files = taken_in(raw, tmp_path)
    files.remember(TakenIn(files.now(), ""))
    assert files.is_new()


def test_what_files_do_not_show_is_always_new(raw: Path, tmp_path: Path) -> None:
    files = taken_in(raw, tmp_path)
    (raw / "sessions.sql").write_text("select 1")
    files.remember(TakenIn(files.now(), "load-000001"))
    assert files.is_new()
    server = SourceFiles(Home(tmp_path / "home"), "postgresql://me:secret@host/shop")
    server.remember(TakenIn(server.now(), "load-000001"))
    assert server.is_new()
    assert "secret" not in (tmp_path / "home" / "runs" / "sources.json").read_text()


def test_a_database_of_one_file_is_one(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("create table orders (order_id varchar)")
    files = taken_in(f"duckdb:///{tmp_path / 'shop.duckdb'}", tmp_path)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("insert into orders select range::varchar from range(100000)")
    assert files.is_new()


def test_a_damaged_memory_makes_every_source_new(raw: Path, tmp_path: Path) -> None:
    files = taken_in(raw, tmp_path)
    (tmp_path / "home" / "runs" / "sources.json").write_text("[")
    assert files.is_new()


def test_what_was_ingested_by_hand_is_not_new_and_is_read_alike(raw: Path, tmp_path: Path) -> None:
    """A comma before decimals, stated once, holds for the runs that take the source in again."""
    home = Home(tmp_path / "home")
    shutil.rmtree(raw / "orders")
    (raw / "customers.csv").write_text("customer_id;registered_at\na;01.02.2024\n")
    (raw / "orders.csv").write_text("order_id;customer_id;ordered_at;total_amount\no1;a;02.02.2024;12,50\n")
    files = SourceFiles(home, str(raw))
    assert files.is_new()
    ingest(raw, home=home, date_formats=["%d.%m.%Y"], decimal_comma=True, timezone="Europe/Berlin")
    assert not files.is_new()
    day = Day(home, Problem(), None, files, True, SILENT)
    assert options_of(day, files) == {
        "timezone": "Europe/Berlin",
        "date_formats": ["%d.%m.%Y"],
        "decimal_comma": True,
    }
    with (raw / "orders.csv").open("a") as file:
        file.write("o2;a;03.02.2024;1,50\n")
    assert files.is_new()
    record = take_in(day, RunRecord("first", "problem", "2024-01-01T00:00:00Z"))
    assert record.steps["ingest"].what == "load-000002 has what is new"
    assert not files.is_new()
    rows = duckdb.sql(
        f"select distinct total_amount::varchar from '{home.root}/raw/current/orders/*.parquet'"
    )
    assert sorted(amount for (amount,) in rows.fetchall()) == ["1.5000", "12.5000"]


def test_a_folder_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist: give the folder, file or URL"):
        SourceFiles(Home(tmp_path), str(tmp_path / "nowhere"))
