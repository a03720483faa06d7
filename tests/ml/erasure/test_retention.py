"""Retention: what is older than the limit is gone, and the rest is as if it had never been there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ml.common.errors import UsageError
from ml.erasure import retention
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest
from ml.predictions.entries import Entry
from ml.predictions.log import PredictionLog
from ml.warehouse import build
from ml.warehouse.doctor import doctor
from tests.ml.erasure.conftest import copy_of
from tests.ml.warehouse.same import differing

pytestmark = pytest.mark.subjects("ml/erasure", "ml/warehouse", "ml/ingest")

DAYS = 300
# The data clock is that of o5, 2024-12-31: what occurred before 2024-03-06 goes.
CUSTOMERS = """customer_id,registered_at,updated_at,city
gone,2023-01-01,2023-01-01,Quedlinburg
moved,2023-01-02,2023-01-02,Bonn
owner,2024-11-01,2024-11-01,Kiel
both,2023-02-01,2023-02-01,Trier
both,2023-02-01,2023-06-01,Mainz
fresh,2024-10-01,2024-10-01,Jena
"""
ORDERS = """order_id,customer_id,ordered_at,total_amount,loaded_at
o1,gone,2023-03-01,10,2023-03-01
o2,both,2023-03-01,20,2023-03-01
o3,both,2024-06-01,30,2024-06-01
o4,moved,2023-04-01,40,2024-11-01
o5,both,2024-12-31,50,2024-12-31
"""
ITEMS = """order_id,line_number,product_id,quantity,unit_price
o1,1,p,1,10
o2,1,p,1,20
o3,1,p,1,30
"""
MERGES = "old_customer_id,new_customer_id,recorded_at\nmoved,owner,2024-11-02\n"
REJECTED = "order_id,customer_id,ordered_at,total_amount\nx1,gone,2023-05-01,much\nx2,both,2024-12-01,much\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retention")
    write(folder / "raw", CUSTOMERS, ORDERS, ITEMS)
    ingest(folder / "raw", home=folder / "home")
    (folder / "more").mkdir()
    (folder / "more" / "orders.csv").write_text(REJECTED)
    ingest(folder / "more", home=folder / "home", append=True, max_rejected=None)
    build(home=folder / "home")
    return folder / "home"


@pytest.fixture
def home(small: Path, tmp_path: Path) -> Path:
    return copy_of(small, tmp_path / "home")


def write(folder: Path, customers: str, orders: str, items: str) -> None:
    folder.mkdir()
    texts = {"customers": customers, "orders": orders, "order_items": items, "customer_merges": MERGES}
    for table, text in texts.items():
        (folder / f"{table}.csv").write_text(text)


def without(text: str, *starts: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(starts))


def test_a_dry_run_counts_and_changes_nothing(home: Path) -> None:
    before = {file: file.read_bytes() for file in home.rglob("*.parquet")}
    result = retention(DAYS, home=home, dry_run=True)
    assert result == {
        "limit": "2024-03-06T00:00:00Z",
        "dry_run": True,
        "tables": {
            "customers": {"erased": 1, "kept": 5},
            "orders": {"erased": 3, "kept": 2},
            "order_items": {"erased": 2, "kept": 1},
            "support_tickets": {"erased": 0, "kept": 0},
            "sessions": {"erased": 0, "kept": 0},
            "customer_merges": {"erased": 0, "kept": 1},
        },
        "customers": 1,
        "rejected": 1,
    }
    assert {file: file.read_bytes() for file in home.rglob("*.parquet")} == before


def test_the_rest_is_as_if_the_old_had_never_been(home: Path, tmp_path: Path) -> None:
    with PredictionLog(Home(home)) as log:
        for days in (400, 10):
            at = datetime.now(UTC) - timedelta(days=days)
            log.append([Entry("score", f"{at:%Y-%m-%dT%H:%M:%SZ}", "batch", customer_id=f"log{days}")])
    result = retention(DAYS, home=home)
    assert (result["build_id"], result["builds_left"], result["log"]) == ("build-000002", [], 1)
    assert sorted(path.name for path in home.glob("builds/build-*")) == ["build-000002"]
    assert sorted(path.name for path in home.glob("raw/load-*")) == ["load-000002"]
    orders, items = without(ORDERS, "o1", "o2", "o4"), without(ITEMS, "o1", "o2")
    write(tmp_path / "kept", without(CUSTOMERS, "gone"), orders, items)
    ingest(tmp_path / "kept", home=tmp_path / "anew")
    build(home=tmp_path / "anew")
    assert differing(Home(home).current_build(), Home(tmp_path / "anew").current_build()) == {}
    manifest = read_load_manifest(home / "raw" / "load-000002")
    assert {name: rows["accepted"] for name, rows in manifest["tables"].items() if rows["accepted"]} == {
        "customers": 5,
        "orders": 2,
        "order_items": 1,
        "customer_merges": 1,
    }
    assert manifest["reasons"] == {"orders: total_amount is not a number": 1}
    with PredictionLog(Home(home)) as log:
        assert [row["customer_id"] for row in log.rows()] == ["log10"]
        assert log.verify()["whole"]
    words = [b"log400", b"Quedlinburg"]
    left = [
        file
        for file in home.rglob("*")
        if file.is_file() and any(word in file.read_bytes() for word in words)
    ]
    assert left == []
    assert {check["state"] for check in doctor(home=home)["checks"]} <= {"ok", "not yet"}
    assert retention(DAYS, home=home)["build_id"] is None


def test_a_killed_run_is_finished_by_the_next(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__("ml.erasure.retention", fromlist=["build_anew"])
    with monkeypatch.context() as patch:
        patch.setattr(module, "build_anew", interrupted)
        with pytest.raises(KeyboardInterrupt):
            retention(DAYS, home=home)
    result = retention(DAYS, home=home)
    assert (result["customers"], result["build_id"]) == (0, "build-000002")
    rows = duckdb.sql(
        f"select distinct customer_id from '{home}/builds/current/features/*/*.parquet' order by 1"
    )
    assert rows.fetchall() == [("both",), ("fresh",), ("moved",), ("owner",)]
    assert not (home / ".retention.json").exists()


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_no_days_are_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="from 1 on, not 0"):
        retention(0, home=home)
