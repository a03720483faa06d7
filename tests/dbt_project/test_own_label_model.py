"""A label model that only the project declares, as docs/own-labels.md adds it, from the build to scores.

Its rows are compared with a brute force over the raw rows.
"""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ml.audit.all_checks import audit
from ml.common.errors import BuildError, NotReadyError, ProblemError, UsageError
from ml.common.instants import parse_instant
from ml.common.paths import ROOT
from ml.config.problem import read_problem
from ml.demos.shop import write_shop
from ml.features.dataset import dataset
from ml.features.label_models import eligible_at, labels_of_build
from ml.home.layout import Home
from ml.ingest import ingest
from ml.model.model_files import read_manifest
from ml.score import score
from ml.train import train
from ml.warehouse import build
from tests.dbt_project.own_project import blocks_of
from tests.reference.raw import open_raw
from tests.worlds import Built

pytestmark = pytest.mark.subjects("dbt_project", "ml/features", "ml/train", "docs/own-labels.md")

NAME = "label_ticket_ahead"
HORIZON = timedelta(days=30)
FIRST_MONDAY = datetime(1970, 1, 5)
PROBLEM = f"""
label: {NAME}
candidates: [prior, recency_rule, logistic_regression]
tuning: {{trials: 0}}
training_rows_max: 2000
"""


def with_label(folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy of the dbt project with the label model of the page, changed where a test wants it wrong."""
    shutil.copytree(ROOT / "dbt_project", folder / "dbt_project")
    blocks = blocks_of(ROOT / "docs" / "own-labels.md")
    assert len(blocks) == 2
    for name, text in blocks:
        for old, new in changes:
            text = text.replace(old, new)
        (folder / name).write_text(text)
    return folder / "dbt_project"


@pytest.fixture(scope="module")
def built_with_label(shop: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The shop, built with the label model of the page."""
    folder = tmp_path_factory.mktemp("label")
    (folder / "problem.yml").write_text(PROBLEM)
    ingest(str(shop.raw), home=folder / "home")
    build(home=folder / "home", project=with_label(folder), problem=folder / "problem.yml")
    return Built(shop.raw, folder / "home")


def expected(built: Built) -> set[tuple[str, datetime, int | None]]:
    """Customer, cut-off and label from the raw tickets and the published population."""
    clock = parse_instant(json.loads((built.build / "build.json").read_text())["data_clock"])
    tickets: dict[str, list[datetime]] = {}
    latest = """
        select customer_id, opened_at from support_tickets_versions
        where known_at <= $1
        qualify row_number() over (partition by ticket_id order by known_at desc) = 1
    """
    for customer, opened in open_raw(built.raw).execute(latest, [clock]).fetchall():
        tickets.setdefault(customer, []).append(opened)
    rows = set()
    stretches = duckdb.sql(f"from '{built.build}/labels/population_customers/*.parquet'").fetchall()
    for customer, since, until in stretches:
        weeks = -((FIRST_MONDAY - since) // timedelta(days=7))
        cutoff = FIRST_MONDAY + weeks * timedelta(days=7)
        while cutoff <= clock and (until is None or cutoff < until):
            ahead = any(cutoff < opened <= cutoff + HORIZON for opened in tickets.get(customer, []))
            rows.add((customer, cutoff, int(ahead) if cutoff + HORIZON <= clock else None))
            cutoff += timedelta(days=7)
    return rows


def test_its_rows_are_those_of_a_brute_force(built_with_label: Built) -> None:
    files = f"'{built_with_label.build}/labels/{NAME}/*.parquet'"
    rows = duckdb.sql(f"select customer_id, event_timestamp, label from {files}").fetchall()
    assert len(rows) == len(set(rows)) > 5_000
    assert set(rows) == expected(built_with_label)
    assert {label for _, _, label in rows} == {0, 1, None}


def test_from_the_data_set_to_scores(built_with_label: Built, tmp_path: Path) -> None:
    """The known labels, the population of the last cut-off, and what the model says of itself."""
    known = {
        (customer, cutoff): label
        for customer, cutoff, label in expected(built_with_label)
        if label is not None
    }
    dataset(tmp_path / "rows.parquet", home=built_with_label.home)
    rows = pq.read_table(tmp_path / "rows.parquet", columns=["customer_id", "event_timestamp", "churned"])
    assert all(
        known[row["customer_id"], row["event_timestamp"]] == row["churned"] for row in rows.to_pylist()
    )
    result = train(home=built_with_label.home)
    manifest = read_manifest(Home.at(built_with_label.home).current_model())
    assert manifest["labels"]["file"] == NAME
    assert manifest["labels"]["rows"] == len(known)
    assert manifest["problem"]["label"] == NAME
    assert result["champion"] != "prior"
    last = max(cutoff for _, cutoff, _ in expected(built_with_label))
    scored = score(home=built_with_label.home)
    assert set(scored.column("customer_id").to_pylist()) == {
        customer for customer, cutoff, _ in expected(built_with_label) if cutoff == last
    }


def test_the_audit_checks_what_is_not_of_churn_alone(built_with_label: Built, tmp_path: Path) -> None:
    project = with_label(tmp_path)
    result = audit(home=built_with_label.home, only=("labels", "stand-ins"), seconds=30, project=project)
    assert result["passed"]
    notes = " ".join(note for check in result["checks"] for note in check["notes"])
    assert "not checked: the recount, because only churn is recounted from raw orders" in notes


@pytest.mark.parametrize(
    ("old", "new", "test"),
    [
        ("cutoffs.cutoff_at <= clocks.data_clock", "true", "settled_labels"),
        ("population.label_known_at <= population.data_clock", "true", "settled_labels"),
        (
            "order by customer_id, event_timestamp",
            "order by event_timestamp, customer_id",
            "strictly_increasing",
        ),
    ],
)
def test_a_wrong_model_publishes_nothing(old: str, new: str, test: str, tmp_path: Path) -> None:
    write_shop(tmp_path / "raw", customers=40, seed=3)
    home = tmp_path / "home"
    ingest(str(tmp_path / "raw"), home=home)
    with pytest.raises(BuildError, match=f"{test}_{NAME}"):
        build(home=home, project=with_label(tmp_path, (old, new)))
    assert not (home / "builds" / "current").exists()


def test_a_build_without_the_model_is_named(shop: Built, tmp_path: Path) -> None:
    (tmp_path / "problem.yml").write_text(PROBLEM)
    problem = read_problem(tmp_path / "problem.yml")
    with pytest.raises(NotReadyError, match=rf"has no label model {NAME} \(it has label_customer_churn"):
        labels_of_build(shop.build, problem)
    with pytest.raises(NotReadyError, match=f"has no label model {NAME}"):
        eligible_at(shop.build, problem, datetime(2024, 12, 1))


def test_a_shorter_horizon_in_the_problem_is_refused(built_with_label: Built, tmp_path: Path) -> None:
    (tmp_path / "problem.yml").write_text(PROBLEM + "horizon_days: 14\n")
    with pytest.raises(UsageError, match="labels known 30 days after the cut-off, but horizon_days and"):
        labels_of_build(built_with_label.build, read_problem(tmp_path / "problem.yml"))


@pytest.mark.parametrize("name", ["churn", "label_../x", "7"])
def test_a_name_that_is_no_label_model_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "problem.yml").write_text(f"label: {name}\n")
    with pytest.raises(ProblemError, match=r"line 1.*label"):
        read_problem(tmp_path / "problem.yml")
