"""States and measurements: the project of the subscriptions demo against a brute force over raw rows.

Subscriptions that are announced to end, payments that come late, use that is corrected; on entity rows at
every edge, by full and by incremental builds, and as of an instant.
"""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from ml.common.instants import parse_instant
from ml.config.project import write_project
from ml.ingest import declaration
from ml.receipt.value_receipt import receipt
from tests.dbt_project.own_project import OwnProject, table_rows, write_empty_tables, write_rows
from tests.reference.subscriptions import (
    OCCURRED,
    SCHEMAS,
    World,
    edges,
    features_at,
    present_versions,
    random_subscriptions,
)
from tests.reference.worlds import random_world, write_world

pytestmark = pytest.mark.subjects("dbt_project", "ml/ingest", "ml/warehouse", "ml/demos/projects")

CUSTOMERS = [f"c{number:04d}" for number in range(40)]
LABELS = "dbt_project/models/marts/labels"
TOUCHED = CUSTOMERS[:6]
TABLES = ("feat_customer_subscriptions", "feat_customer_payments", "feat_customer_usage")


@pytest.fixture(scope="module")
def raw() -> World:
    return random_subscriptions(3, CUSTOMERS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, raw: World) -> OwnProject:
    """A third of the things of some customers come with a second ingest, after the first build."""
    folder = tmp_path_factory.mktemp("subscriptions") / "project"
    write_project(folder, demo="subscriptions")
    project = OwnProject(folder)
    # a project with a label model of its own is always built whole
    for file in (folder / LABELS).glob("label_subscription_end.*"):
        file.rename(folder / file.name)
    write_world(folder / "raw", random_world(12, customers=40))
    write_empty_tables(folder / "later", folder / "raw")
    for table, rows in raw.items():
        later = {
            id(row) for row in rows if row["customer_id"] in TOUCHED and row[OCCURRED[table]].day % 3 == 0
        }
        write_rows(folder / "raw", table, [row for row in rows if id(row) not in later], SCHEMAS[table])
        write_rows(folder / "later", table, [row for row in rows if id(row) in later], SCHEMAS[table])
    project.churn("ingest", folder / "raw", "--max-rejected", 0)
    project.churn("build")
    project.churn("ingest", folder / "later", "--append", "--max-rejected", 0)
    return project


def differing(
    project: OwnProject, raw: World, pairs: list[tuple[str, datetime]]
) -> list[tuple[str, datetime, str, Any, Any]]:
    """Customer, instant, feature, value and expected value of every cell unlike the brute force's."""
    return [
        (customer, at, name, row[name], value)
        for (customer, at), row in zip(pairs, project.features(pairs), strict=True)
        for name, value in features_at(raw, customer, at).items()
        if not is_equal(row[name], value)
    ]


def is_equal(value: Any, expected: Any) -> bool:
    if isinstance(expected, int | Decimal) and value is None:  # before the first known fact
        return expected == 0
    return value == (
        float(expected) if isinstance(expected, Decimal) and isinstance(value, float) else expected
    )


def test_features_equal_a_brute_force_at_their_edges(project: OwnProject, raw: World) -> None:
    assert json.loads(project.churn("build", "--json"))["kind"] == "incremental"
    assert differing(project, raw, edges(raw, 7, 5000)) == []


def test_an_increment_equals_a_full_build(project: OwnProject) -> None:
    increment = {table: table_rows(project.build, table) for table in TABLES}
    project.churn("build", "--full-refresh")
    for table, rows in increment.items():
        assert table_rows(project.build, table) == rows
        assert len(rows) > 300


@pytest.mark.parametrize(
    ("feature", "table"),
    [
        ("active_subscriptions", "subscriptions"),
        ("plan", "subscriptions"),
        ("days_to_renewal", "subscriptions"),
        ("announced_end_at", "subscriptions"),
        ("price_changes_365d", "subscriptions"),
        ("late_share_365d", "payments"),
        ("active_days_90d", "usage"),
        ("last_usage", "usage"),
    ],
)
def test_a_receipt_comes_to_the_value(
    project: OwnProject, raw: World, feature: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At edges where the feature says something, the raw rows come to the published value."""
    monkeypatch.setattr(declaration, "ROOT", project.folder)
    pairs = edges(raw, 11, 400)
    says = [pair for pair, row in zip(pairs, project.features(pairs), strict=True) if row[feature]]
    assert len(says) > 3
    for customer, at in says[:6]:
        entry = receipt(customer, feature, as_of=at, home=project.folder / "var")
        assert entry.matches, entry.breach()
        parts = entry.entry.parts or (entry.entry,)
        lines = [line for part in parts for line in part.findings.counted]
        assert lines
        assert all(row.origins for line in lines for row in (line.below or (line,)))
        assert {row.table for line in lines for row in (line.below or (line,))} == {table}


def test_a_build_as_of_an_instant_knows_announced_ends_and_nothing_later(
    project: OwnProject, raw: World
) -> None:
    at = datetime(2022, 12, 9)
    project.churn("build", "--as-of", at.isoformat())
    assert differing(project, raw, [(customer, at) for customer in CUSTOMERS]) == []
    announced = [features_at(raw, customer, at)["announced_ends"] for customer in CUSTOMERS]
    assert sum(announced) >= 3


def test_labels_equal_a_brute_force(project: OwnProject, raw: World) -> None:
    for file in project.folder.glob("label_subscription_end.*"):
        file.rename(project.folder / LABELS / file.name)
    project.churn("build")
    clock = parse_instant(json.loads((project.build / "build.json").read_text())["data_clock"])
    rows = duckdb.sql(f"from '{project.build}/labels/label_subscription_end/*.parquet'").fetchall()
    assert len(rows) > 1000
    expected = labels_at({row[1] for row in rows}, raw, clock)
    assert {(customer, cutoff): label for customer, cutoff, label, _ in rows} == expected
    assert {*expected.values()} == {0, 1, None}


def labels_at(cutoffs: set[datetime], raw: World, clock: datetime) -> dict[tuple[str, datetime], int | None]:
    """Whether every subscription that is active at a cut-off ends within 30 days, by what the clock knows."""
    labels: dict[tuple[str, datetime], int | None] = {}
    finally_present = {
        row["subscription_id"]: row
        for customer in CUSTOMERS
        for row in present_versions(raw, "subscriptions", customer, clock)
    }
    for cutoff in cutoffs:
        settled_at = cutoff + timedelta(days=30)
        for customer in CUSTOMERS:
            active = [
                row["subscription_id"]
                for row in present_versions(raw, "subscriptions", customer, cutoff)
                if row["ended_at"] is None or row["ended_at"] > cutoff
            ]
            if active:
                ends = [finally_present.get(name, {"ended_at": cutoff})["ended_at"] for name in active]
                over = all(end is not None and end <= settled_at for end in ends)
                labels[customer, cutoff] = int(over) if settled_at <= clock else None
    return labels


def test_the_audit_finds_an_end_that_counts_before_it_is_announced(project: OwnProject) -> None:
    windows = json.loads(project.churn("audit", "--check", "windows", "--json"))
    assert windows["passed"]
    models = project.folder / "dbt_project" / "models" / "marts" / "features"
    model = models / "feat_customer_subscriptions.sql"
    honest = 'until="active_until", starts="end_known_at"'
    assert honest in model.read_text()
    model.write_text(model.read_text().replace(honest, 'until="active_until", starts="known_at"'))
    project.churn("build")
    result = json.loads(project.churn("audit", "--check", "replay", "--seconds", 20, "--json", status=1))
    (breach,) = result["checks"][0]["breaches"]
    assert breach["what"].startswith("feat_customer_subscriptions.announced_ends is another in a build as of")
