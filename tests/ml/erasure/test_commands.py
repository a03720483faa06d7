"""The commands: statuses, sentences, JSON; and the prediction log in PostgreSQL."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.home.layout import Home
from ml.ingest import ingest
from ml.predictions.entries import Entry
from ml.predictions.log import ENVIRONMENT, PredictionLog

CUSTOMERS = "customer_id,registered_at\nC0000012,2024-01-01\nC0000013,2024-01-01\n"
ORDERS = "order_id,customer_id,ordered_at,total_amount\no1,C0000012,2024-02-01,7.00\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "customers.csv").write_text(CUSTOMERS)
    (tmp_path / "raw" / "orders.csv").write_text(ORDERS)
    ingest(tmp_path / "raw", home=tmp_path / "home")
    return tmp_path / "home"


def churn(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--home", str(home)])


def test_forget_says_what_went_and_that_nothing_is_left(home: Path) -> None:
    result = churn(home, "forget", "C0000012")
    assert result.exit_code == 0
    assert "rows erased: 2 raw" in result.stdout
    assert "(every byte): 0 hits" in result.stdout


def test_an_unknown_customer_ends_with_one_sentence_and_status_1(home: Path) -> None:
    result = churn(home, "forget", "C0000099", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"].startswith(
        f"nobody in {home} has the key 'C0000099': a search of "
    )
    assert churn(home, "forget", "C0000012", "--quiet").exit_code == 0
    again = churn(home, "forget", "C0000012")
    assert again.exit_code == 1
    assert again.stderr.rstrip().endswith("found nothing, for the customer was erased before")


def test_what_is_left_is_named_with_status_1(home: Path) -> None:
    (home / "picture.png").write_bytes(b"\x89PNG\0\xff C0000012")
    result = churn(home, "forget", "C0000012")
    assert result.exit_code == 1
    assert "picture.png: UTF-8" in result.stdout


def test_allow_again(home: Path) -> None:
    assert churn(home, "forget", "C0000012", "--allow-again").exit_code == 1
    assert churn(home, "forget", "C0000012").exit_code == 0
    result = churn(home, "forget", "C0000012", "--allow-again", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"allowed_again": True})


def test_no_home_and_no_days(home: Path, tmp_path: Path) -> None:
    result = churn(tmp_path / "none", "forget", "C0000012")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "none").exists()
    assert churn(home, "retention", "--older-than", "0").exit_code == 2
    assert churn(home, "retention").exit_code == 2


def test_retention_counts(home: Path) -> None:
    result = churn(home, "retention", "--older-than", "10", "--dry-run")
    assert result.exit_code == 0
    assert "orders: 0 rows would go, 1 stay" in result.stdout
    assert "before 2024-01-22T00:00:00Z: 1 customers would go" in result.stdout


@pytest.fixture
def postgres() -> Iterator[str]:
    psycopg = pytest.importorskip("psycopg")
    address = os.environ.get("TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
    name = f"erasure_{uuid4().hex[:12]}"
    try:
        connection = psycopg.connect(address, autocommit=True, connect_timeout=2)
    except psycopg.Error as error:
        pytest.skip(f"NOT TESTED: no PostgreSQL answers ({str(error).splitlines()[0]}): set TEST_POSTGRES")
    connection.execute(f"create schema {name}")
    yield f"{address}?options=-csearch_path%3D{name}"
    connection.execute(f"drop schema {name} cascade")
    connection.close()


def test_a_log_in_postgresql_and_one_in_the_home(
    home: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (postgres, ""):
        with PredictionLog(Home(home), url) as log:
            for customer in ("C0000012", "C0000013", "C0000012"):
                log.append([Entry("score", "2026-01-01T00:00:00Z", "http", customer_id=customer)])
    monkeypatch.setenv(ENVIRONMENT, postgres)
    result = churn(home, "forget", "C0000012", "--json", "--quiet")
    assert (result.exit_code, json.loads(result.stdout)["erased"]["log"]) == (0, 4)
    for url in (postgres, ""):
        with PredictionLog(Home(home), url) as log:
            assert [row["kind"] for row in log.rows()] == ["erased", "score", "erased", "erasure"]
            found = log.verify()
            assert (found["whole"], found["entries"], found["erased"]) == (True, 4, 2)
            log.connection.execute("begin")
            log.connection.execute("update predictions set band = 'high' where sequence = 1")
            log.connection.execute("commit")
            assert log.verify()["first_fault"] == "entry 1 was erased, and written to afterwards"
