"""States and measurements: the project of the subscriptions demo against a brute force over raw rows.

Subscriptions that are announced to end, payments that come late, use that is corrected; on entity rows at
every edge, by full and by incremental builds, and as of an instant.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from ml.config.project import write_project
from tests.dbt_project.own_project import OwnProject, table_rows, write_empty_tables, write_rows
from tests.reference.subscriptions import (
    OCCURRED,
    SCHEMAS,
    World,
    edges,
    features_at,
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
