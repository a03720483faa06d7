"""The prediction log: one chain over all writers, each planted change found, export, pruning, PostgreSQL."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import TidemarkError, UsageError
from ml.home.layout import Home
from ml.predictions.entries import DROPPED, SCORE, Entry
from ml.predictions.export import export_log
from ml.predictions.log import PredictionLog

ENTRY = Entry(
    kind=SCORE,
    logged_at="2026-03-01T00:00:00Z",
    source="http",
    request_id="r1",
    customer_id="ann",
    event_timestamp="2026-02-28T00:00:00Z",
    features='{"orders_7d":1,"spend_7d":"12.3400"}',
    prediction=0.1 + 0.2,
    decision=True,
    band="high",
    model_version="model-000001",
    build_id="build-000001",
    latency_ms=1.25,
)
ADDRESS = "postgresql://postgres@127.0.0.1:5432/test"


def day(number: int) -> Entry:
    return replace(ENTRY, logged_at=f"2026-03-{number:02d}T00:00:00Z", customer_id=f"c{number}")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    with PredictionLog(Home(tmp_path)) as log:
        for number in range(1, 6):
            log.append([day(number)])
    return Home(tmp_path)


def change(home: Home, statement: str) -> None:
    with closing(sqlite3.connect(home.root / "predictions" / "log.db")) as connection, connection:
        connection.execute(statement)


def fault(home: Home) -> str | None:
    with PredictionLog(home) as log:
        return log.verify()["first_fault"]


def test_entries_come_back_as_they_were_written(home: Home) -> None:
    with PredictionLog(home) as log:
        rows = list(log.rows())
    assert [row["customer_id"] for row in rows] == ["c1", "c2", "c3", "c4", "c5"]
    row = rows[0]
    assert (row["prediction"], row["decision"], row["latency_ms"]) == (0.1 + 0.2, True, 1.25)
    assert row["features"] == ENTRY.features
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(later["previous_hash"] == earlier["hash"] for earlier, later in pairwise(rows))


CHANGED = "entry {} was changed after it was written"


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("update predictions set prediction = 0.31 where sequence = 3", CHANGED.format(3)),
        ("update predictions set features = '{}' where sequence = 1", CHANGED.format(1)),
        ("update predictions set decision = 0 where sequence = 5", CHANGED.format(5)),
        ("delete from predictions where sequence = 2", "entry 2 is missing: 3 follows 1"),
        ("delete from predictions where sequence = 1", "entry 1 is missing: 2 follows 0"),
        ("delete from predictions where sequence = 5", "entries after 4 are missing: 5 were written"),
        ("update predictions set hash = previous_hash where sequence = 4", CHANGED.format(4)),
        (
            "update predictions set previous_hash = hash where sequence = 2",
            "entry 2 does not follow the one before it",
        ),
    ],
)
def test_each_planted_change_is_found(statement: str, sentence: str, home: Home) -> None:
    assert fault(home) is None
    change(home, statement)
    assert fault(home) == sentence


def test_several_writers_make_one_chain(tmp_path: Path) -> None:
    """Threads with connections of their own, as workers have."""

    def write(worker: int) -> None:
        with PredictionLog(Home(tmp_path)) as log:
            for number in range(20):
                log.append([replace(ENTRY, request_id=f"{worker}-{number}")] * 3)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with PredictionLog(Home(tmp_path)) as log:
        result = log.verify()
        assert {row["request_id"] for row in log.rows()} == {f"{w}-{n}" for w in range(4) for n in range(20)}
    assert (result["entries"], result["whole"]) == (240, True)


def test_pruning_keeps_the_rest_verifiable(home: Home) -> None:
    with PredictionLog(home) as log:
        assert log.prune(1, now=datetime(2026, 3, 4, 12)) == {
            "removed": 3,
            "kept": 2,
            "before": "2026-03-03T12:00:00Z",
        }
        log.append([day(6)])
        assert [row["sequence"] for row in log.rows()] == [4, 5, 6]
        assert log.verify()["whole"]
        assert log.prune(0, now=datetime(2026, 4, 1))["kept"] == 0
        assert log.verify()["whole"]
        log.append([day(7)])
        assert log.verify()["whole"]
    change(home, "delete from predictions")
    assert fault(home) == "entries after 6 are missing: 7 were written"


def test_dropped_scores_are_told(home: Home) -> None:
    with PredictionLog(home) as log:
        log.append([Entry(kind=DROPPED, logged_at="2026-03-06T00:00:00Z", source="http", count=41)])
        assert log.verify()["dropped"] == 41


def test_the_commands(home: Home, tmp_path: Path) -> None:
    def ran(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["log", *arguments, "--home", str(home.root)])
        return result.exit_code, result.output

    assert ran("verify") == (0, "5 entries, none changed, none missing\n")
    out = tmp_path / "log.parquet"
    assert ran("export", "--out", str(out), "--since", "2026-03-04") == (0, f"2 entries: {out}\n")
    assert pq.read_table(out).column("customer_id").to_pylist() == ["c4", "c5"]
    export_log(tmp_path / "log.jsonl", home=home)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[2]["prediction"] == 0.1 + 0.2
    change(home, "update predictions set band = 'low' where sequence = 2")
    assert ran("verify") == (1, "entry 2 was changed after it was written\n")
    status, text = ran("prune", "--older-than", "36500")
    assert (status, text) == (0, "0 entries removed, 5 kept\n")


def test_an_address_that_is_none_and_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no address of PostgreSQL"):
        PredictionLog(Home(tmp_path), "mysql://x")
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "log.db").write_bytes(b"no database" * 100)
    with pytest.raises(TidemarkError, match="the prediction log cannot be opened: file is not a database"):
        PredictionLog(Home(tmp_path))


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    psycopg = pytest.importorskip("psycopg")
    address = os.environ.get("TEST_POSTGRES", ADDRESS)
    try:
        connection = psycopg.connect(address, autocommit=True, connect_timeout=3)
    except psycopg.Error as error:
        pytest.skip(f"NOT TESTED: no PostgreSQL answers ({str(error).splitlines()[0]}): set TEST_POSTGRES")
    name = f"tidemark_log_{os.getpid()}"
    connection.execute(f"create schema {name}")
    yield f"{address}?options=-csearch_path%3D{name}"
    connection.execute(f"drop schema {name} cascade")
    connection.close()


def test_postgresql_holds_the_same_chain(postgres: str, tmp_path: Path) -> None:
    with PredictionLog(Home(tmp_path), postgres) as log:
        for number in range(1, 6):
            log.append([day(number)])
        rows = list(log.rows())
        assert log.verify() | {"last_hash": ""} == {
            "entries": 5,
            "dropped": 0,
            "erased": 0,
            "last_hash": "",
            "first_fault": None,
            "whole": True,
        }
        assert log.prune(1, now=datetime(2026, 3, 4, 12))["removed"] == 3
        assert log.verify()["whole"]
        with log.transaction(writes=True) as cursor:
            cursor.execute("update predictions set band = 'low' where sequence = 5")
        assert log.verify()["first_fault"] == "entry 5 was changed after it was written"
    with PredictionLog(Home(tmp_path / "sqlite")) as log:
        for number in range(1, 6):
            log.append([day(number)])
        assert list(log.rows()) == rows  # the same hashes
    assert not (tmp_path / "predictions").exists()
