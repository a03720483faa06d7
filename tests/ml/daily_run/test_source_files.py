"""A source is new when the content of its files is, and not when they were only touched."""

import os
from pathlib import Path

import duckdb
import pytest

from ml.common.errors import UsageError
from ml.daily_run.source_files import SourceFiles, TakenIn
from ml.home.layout import Home


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


def test_a_folder_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist: give the folder, file or URL"):
        SourceFiles(Home(tmp_path), str(tmp_path / "nowhere"))
