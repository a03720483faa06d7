"""A table that only the project declares: payments, as docs/own-tables.md adds them, in the whole product.

The blocks of that page are put into a copy of the project. Features are compared with a brute force over the
raw rows, on late, corrected, deleted and copied payments, by full and by incremental builds.
"""

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from ml.common.paths import ROOT
from tests.dbt_project.own_project import (
    OwnProject,
    blocks_of,
    own_project,
    write_empty_tables,
    write_rows,
)
from tests.reference.merged import merge_some
from tests.reference.merges import Merges
from tests.reference.random_facts import END, some_delay, some_instant
from tests.reference.raw import open_raw
from tests.reference.worlds import random_world, write_world

pytestmark = pytest.mark.subjects(
    "dbt_project", "ml/ingest", "ml/warehouse", "ml/audit", "docs/own-tables.md"
)

PAGE = ROOT / "docs" / "own-tables.md"
WINDOWS = (7, 30, 90, 365)
SCHEMA = pa.schema(
    {
        "payment_id": pa.string(),
        "customer_id": pa.string(),
        "paid_at": pa.timestamp("us"),
        "amount": pa.decimal128(18, 4),
        "method": pa.string(),
        "failed_at": pa.timestamp("us"),
        "loaded_at": pa.timestamp("us"),
        "deleted_at": pa.timestamp("us"),
    }
)
Row = dict[str, Any]


def with_payments(folder: Path) -> OwnProject:
    """A new project, and what the page adds to it."""
    project = own_project(folder)
    blocks = blocks_of(PAGE)
    assert len(blocks) == 4
    for name, text in blocks:
        if name.endswith("sources.yml"):
            project.declare(text)
        else:
            (folder / name).write_text(text)
    return project


def random_payments(seed: int, customers: list[str], last: datetime = END) -> list[Row]:
    """Payments that come late, fail, are corrected, deleted and repeated; none is known after ``last``."""
    random = Random(seed)
    rows: list[Row] = []
    for number in range(600):
        paid = some_instant(random)
        row: Row = {
            "payment_id": f"p{number:04d}",
            "customer_id": random.choice(customers),
            "paid_at": paid,
            "amount": Decimal(random.randrange(1, 90_000)) / 100,
            "method": random.choice(["card", "debit"]),
            "failed_at": paid + some_delay(random) if random.random() < 0.3 else None,
            "loaded_at": paid + some_delay(random) if random.random() < 0.7 else None,
            "deleted_at": None,
        }
        rows.append(row)
        for _ in range(random.choice([0, 0, 1, 2])):
            known = max(row["loaded_at"] or paid, paid) + some_delay(random) + timedelta(microseconds=1)
            change = random.choice(["copy", "amount", "failure", "deletion"])
            row = row | {"loaded_at": known}
            if change == "amount":
                row["amount"] = Decimal(random.randrange(1, 90_000)) / 100
            if change == "failure":
                row["failed_at"] = paid + some_delay(random) if row["failed_at"] is None else None
            if change == "deletion":
                row["deleted_at"] = random.choice([known, paid])
            rows.append(row)
    instants = ("paid_at", "failed_at", "loaded_at", "deleted_at")
    early = {row["payment_id"] for row in rows if any(row[name] and row[name] >= last for name in instants)}
    return [row for row in rows if row["payment_id"] not in early]


def by_hand(
    payments: list[Row], customer: str, at: datetime, keys: list[str] | None = None
) -> dict[str, Any]:
    """The features of a customer at an instant, from the rule of time alone; merges give them ``keys``."""
    keys = [customer] if keys is None else keys
    versions: dict[str, list[Row]] = {}
    for row in payments:
        if row["customer_id"] in keys and max(row["paid_at"], row["loaded_at"] or row["paid_at"]) <= at:
            versions.setdefault(row["payment_id"], []).append(row)
    holding = [max(rows, key=lambda row: row["loaded_at"] or row["paid_at"]) for rows in versions.values()]
    holding = [row for row in holding if row["deleted_at"] is None or row["deleted_at"] > at]
    failed = [row for row in holding if row["failed_at"] is not None and row["failed_at"] <= at]
    made = [row for row in holding if row not in failed]
    values: dict[str, Any] = {}
    for days in WINDOWS:
        since = at - timedelta(days=days)
        recent = [row for row in made if since < row["paid_at"]]
        values[f"payments_{days}d"] = len(recent)
        values[f"paid_{days}d"] = float(sum((row["amount"] for row in recent), Decimal(0)))
        values[f"failed_payments_{days}d"] = sum(since < row["failed_at"] for row in failed)
    return values


def edges(payments: list[Row], seed: int, most: int) -> list[tuple[str, datetime]]:
    """Customers at, just before and just after the instants at which something changes."""
    random = Random(seed)
    pairs: list[tuple[str, datetime]] = []
    for row in payments:
        instants = [row[name] for name in ("paid_at", "failed_at", "loaded_at", "deleted_at") if row[name]]
        ends = [
            row[name] + timedelta(days=days)
            for name in ("paid_at", "failed_at")
            if row[name]
            for days in WINDOWS
        ]
        for instant in instants + ends:
            pairs += [(row["customer_id"], instant + timedelta(microseconds=step)) for step in (-1, 0, 1)]
    return random.sample([pair for pair in pairs if pair[1] < END], most)


@pytest.fixture(scope="module")
def payments() -> list[Row]:
    return random_payments(3, [f"c{number:04d}" for number in range(40)])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, payments: list[Row]) -> OwnProject:
    """The shop with payments, ingested in two steps and built after each."""
    project = with_payments(tmp_path_factory.mktemp("payments") / "project")
    raw, folder = random_world(3, customers=40), project.folder
    write_world(folder / "raw", raw)
    halves = [
        [row for row in payments if (int(row["payment_id"][1:]) % 50 == 0) is later]
        for later in (False, True)
    ]
    write_rows(folder / "raw", "payments", halves[0], SCHEMA)
    project.churn("ingest", folder / "raw", "--max-rejected", 0)
    project.churn("build")
    write_empty_tables(folder / "later", folder / "raw")
    write_rows(folder / "later", "payments", halves[1], SCHEMA)
    project.churn("ingest", folder / "later", "--append", "--max-rejected", 0)
    return project


def test_features_equal_a_brute_force_at_their_edges(project: OwnProject, payments: list[Row]) -> None:
    assert json.loads(project.churn("build", "--json"))["kind"] == "incremental"
    pairs = edges(payments, 7, 1200)
    rows = project.features(pairs)
    differing = [
        (customer, at, name, row[name], value)
        for (customer, at), row in zip(pairs, rows, strict=True)
        for name, value in by_hand(payments, customer, at).items()
        if float(row[name] or 0) != pytest.approx(value, abs=1e-6)
    ]
    assert differing == []
    assert sum(row["failed_payments_30d"] or 0 for row in rows) > 100
    assert len({row["failed_share_90d"] for row in rows}) > 10


def test_an_increment_equals_a_full_build(project: OwnProject) -> None:
    project.increment_equals_full_build("feat_customer_payments", at_least=1000)


def test_a_receipt_names_the_payments(project: OwnProject, payments: list[Row]) -> None:
    at = datetime(2024, 1, 1)
    totals = {f"c{number:04d}": by_hand(payments, f"c{number:04d}", at)["paid_365d"] for number in range(40)}
    customer = max(totals, key=lambda name: totals[name])
    receipt = json.loads(project.churn("receipt", customer, "paid_365d", "--as-of", at.isoformat(), "--json"))
    assert receipt["matches"]
    assert float(receipt["published"]) == pytest.approx(totals[customer])
    assert {row["table"] for row in receipt["rows"]} == {"payments"}
    assert sum(float(row["amount"]) for row in receipt["rows"]) == pytest.approx(totals[customer])


def test_the_audit_finds_nothing_until_a_feature_peeks(project: OwnProject) -> None:
    """With a planted fault: payments count from when they were made, before anyone knew of them."""
    poison = ("audit", "--check", "poison", "--seconds", 60, "--json")
    audit = json.loads(project.churn(*poison))
    assert (audit["passed"], audit["failed"]) == (True, [])
    model = project.folder / "dbt_project" / "models" / "marts" / "features" / "feat_customer_payments.sql"
    honest = '"amount", since="paid_at", until="kept_until"'
    assert honest in model.read_text()
    model.write_text(model.read_text().replace(honest, f'{honest}, starts="paid_at"'))
    project.churn("build")
    breaches = json.dumps(
        [check["breaches"] for check in json.loads(project.churn(*poison, status=1))["checks"]]
    )
    assert set(re.findall(r"\b[a-z_]+_\d+d\b", breaches)) <= {f"paid_{days}d" for days in WINDOWS}
    assert "paid_365d" in breaches


def test_payments_of_customers_who_merge(tmp_path: Path, payments: list[Row]) -> None:
    project = with_payments(tmp_path / "project")
    world = merge_some(random_world(3, customers=40), seed=3, share=0.6)
    write_rows(write_world(tmp_path / "raw", world), "payments", payments, SCHEMA)
    project.churn("ingest", tmp_path / "raw", "--max-rejected", 0)
    project.churn("build")
    merges = Merges(open_raw(tmp_path / "raw"))
    pairs = [
        (who, at)
        for key, at in edges(payments, 7, 900)
        for who in dict.fromkeys((key, merges.owner(key, at), merges.owner(key, END)))
    ]
    pairs += [
        (who, merge.recorded_at + timedelta(microseconds=step))
        for old, merge in merges.of.items()
        for who in (old, merge.into)
        for step in (-1, 0, 1)
    ]
    differing = [
        (customer, at, name, row[name], value)
        for (customer, at), row in zip(pairs, project.features(pairs), strict=True)
        for name, value in by_hand(payments, customer, at, merges.keys_of(customer, at)).items()
        if float(row[name] or 0) != pytest.approx(value, abs=1e-6)
    ]
    assert differing == []
    moved = [pair for pair in pairs if len(merges.keys_of(*pair)) > 1]
    assert len(moved) > 200


def test_rejected_payments_say_why(tmp_path: Path) -> None:
    project = with_payments(tmp_path / "project")
    world = random_world(3, customers=5)
    write_world(tmp_path / "raw", world)
    day = datetime(2024, 3, 1)
    good = {
        "payment_id": "p1",
        "customer_id": "c0001",
        "paid_at": day,
        "amount": Decimal(5),
        "failed_at": None,
        "loaded_at": day,
    }
    rows = [
        good,
        good | {"payment_id": "p2", "amount": Decimal(-1)},
        good | {"payment_id": "p3", "customer_id": "nobody"},
        good | {"payment_id": "p4", "failed_at": day - timedelta(days=1)},
        good | {"payment_id": "p1", "customer_id": "c0002", "loaded_at": day + timedelta(days=1)},
    ]
    write_rows(tmp_path / "raw", "payments", rows, SCHEMA)
    load = json.loads(project.churn("ingest", tmp_path / "raw", "--max-rejected", 0.9, "--json"))
    assert load["tables"]["payments"] == {"read": 5, "accepted": 1, "rejected": 4}
    assert {name: rows for name, rows in load["reasons"].items() if name.startswith("payments")} == {
        "payments: amount is not a number from 0 to 1000000": 1,
        "payments: unknown customer": 1,
        "payments: failed_at is before paid_at": 1,
        "payments: version changes customer_id": 1,
    }
