"""A home is called what it is called: signs of patterns, quotes and ``k=v`` in its path change nothing."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from ml.audit.all_checks import audit
from ml.common.errors import UsageError
from ml.features.point_in_time import features
from ml.featurestore.online.read import OnlineReader
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.ingest import ingest
from ml.receipt import receipt
from ml.warehouse import build, increment
from ml.warehouse.materialize import materialize
from tests.dbt_project.hand_run import Hand
from tests.ml.warehouse.extracts import in_time
from tests.reference.worlds import latest_instant, random_world, write_world

pytestmark = pytest.mark.subjects("ml/home", "ml/warehouse", "ml/common")

# DuckDB would take the last folder for a column of every row below it.
PLAIN, ODD = "plain", "it's [a] k=v* {b} %7e/customer_id=nobody"
WORLD = random_world(3, customers=25)
LAST = latest_instant(WORLD)
CUSTOMERS = sorted({row["customer_id"] for row in WORLD["customers"]})
TABLES = ["features/feat_customer_engagement", "features/feat_customer_orders", "labels/label_customer_churn"]


@dataclass(frozen=True)
class Kept:
    """A folder, the home in it, and the record of its last build, an increment."""

    folder: Path
    record: dict[str, Any]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def rows(self, table: str) -> list[str]:
        """The rows of a table of the build, file by file."""
        files = (Home.at(self.home).current_build() / table).iterdir()
        return sorted(str(row) for file in files for row in pq.ParquetFile(file).read().to_pylist())


def kept(folder: Path) -> Kept:
    """The world in two parts, ingested, built and put online one after the other."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(increment, "TOUCHED_SHARE_MAX", 1.0)
        for number, part in enumerate(in_time(WORLD, LAST - timedelta(days=40))):
            raw = write_world(folder / f"raw-{number}", part)
            ingest(str(raw), home=folder / "home", append=True, max_rejected=0.0)
            record = build(home=folder / "home")
            materialize(home=folder / "home")
    return Kept(folder, record)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return kept(tmp_path_factory.mktemp("named") / PLAIN)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return kept(tmp_path_factory.mktemp("named") / ODD)


def test_a_build_and_its_increment(plain: Kept, odd: Kept) -> None:
    said = [{name: one.record[name] for name in ("kind", "touched", "rows", "tests")} for one in (odd, plain)]
    assert said[0] == said[1]
    assert said[0]["kind"] == "incremental"
    assert said[0]["rows"]["int_customers"] == len(CUSTOMERS)
    for table in TABLES:
        assert odd.rows(table) == plain.rows(table)
        assert {row.split("'")[3] for row in odd.rows(table)} <= {*CUSTOMERS}
        assert len(odd.rows(table)) > 100


def test_what_is_online(plain: Kept, odd: Kept) -> None:
    found = OnlineReader(odd.home).features(CUSTOMERS, LAST)
    assert found == OnlineReader(plain.home).features(CUSTOMERS, LAST)
    assert [row["customer_id"] for row in found] == CUSTOMERS
    assert sum(row["orders_90d"] is not None for row in found) == len(CUSTOMERS)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_of_rows(plain: Kept, odd: Kept, ending: str) -> None:
    asked = pa.table({"customer_id": CUSTOMERS, "event_timestamp": [LAST.isoformat()] * len(CUSTOMERS)})
    first, again, last = (odd.folder / name for name in ("asked.csv", f"again.{ending}", "last.parquet"))
    pa.csv.write_csv(asked, first)
    features(first, again, home=odd.home, names=["orders_lifetime"])
    features(again, last, home=odd.home, names=["orders_90d", "tickets_90d"])
    found = pq.ParquetFile(last).read()
    expected = point_in_time(Home.at(plain.home).current_build(), asked)
    assert found["customer_id"].to_pylist() == CUSTOMERS
    for name in ("orders_90d", "tickets_90d"):
        assert found[name].to_pylist() == expected[name].to_pylist()


@pytest.mark.parametrize("feature", ["orders_90d", "open_tickets", "days_since_last_order"])
def test_a_receipt(plain: Kept, odd: Kept, feature: str) -> None:
    for customer in CUSTOMERS[:6]:
        told, expected = (receipt(customer, feature, home=one.home) for one in (odd, plain))
        assert told.matches
        assert told == expected


def test_a_receipt_of_nobody(odd: Kept) -> None:
    with pytest.raises(UsageError, match="there is no customer 'C0012': did you mean c0012"):
        receipt("C0012", "orders_90d", home=odd.home)


def test_the_audit_finds_nothing_wrong(odd: Kept) -> None:
    names = ["ledger", "windows", "online", "history", "poison"]
    said = audit(home=odd.home, seconds=5, only=names)
    assert [(check["check"], [*check["breaches"]]) for check in said["checks"]] == [
        (name, []) for name in names
    ]
    assert (said["passed"], said["not_checked"], said["failed"]) == (True, [], [])
    assert min(check["compared"] for check in said["checks"]) > 100


def test_tables_in_csv(plain: Kept, odd: Kept, tmp_path: Path) -> None:
    raw = tmp_path / ODD / "raw"
    raw.mkdir(parents=True)
    for file in (plain.folder / "raw-0").iterdir():
        pa.csv.write_csv(pq.read_table(file), raw / f"{file.stem}.csv")
    read, before = (
        ingest(str(one), home=tmp_path / "home", max_rejected=0.0) for one in (raw, plain.folder / "raw-0")
    )
    assert read["tables"] == before["tables"]
    assert read["tables"]["orders"]["accepted"] > 50


def test_dbt_by_hand(plain: Kept, odd: Kept) -> None:
    hand = Hand(odd.folder)
    done = hand.dbt("build", "--exclude-resource-type", "unit_test")
    assert done.returncode == 0, done.stdout
    # It tells no history from rows to come, but the rows are the same.
    for table in TABLES:
        files = (hand.output / table).iterdir()
        rows = sorted(str(row) for file in files for row in pq.ParquetFile(file).read().to_pylist())
        assert rows == plain.rows(table)


@pytest.mark.parametrize("sign", ["?", "#", "\\"])
def test_a_home_that_the_engines_cannot_name_is_refused(tmp_path: Path, sign: str) -> None:
    home = tmp_path / f"a{sign}b" / "home"
    raw = write_world(tmp_path / "raw", WORLD)
    with pytest.raises(UsageError, match=r"has a .* in its path, .*: choose a home .* without it") as refused:
        ingest(str(raw), home=home)
    assert str(home) in str(refused.value)
    assert not home.exists()
