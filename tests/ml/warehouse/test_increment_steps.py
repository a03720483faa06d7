"""When a build adds to the one before it, what it leaves alone, and what stops it."""

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.common.errors import BuildError
from ml.common.paths import ROOT
from ml.config.problem import Problem
from ml.home.build_manifest import label_terms_of
from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build, merge
from ml.warehouse.dbt import project_hash
from ml.warehouse.increment import Increment, find_increment
from tests.ml.warehouse.extracts import add, folder_of
from tests.ml.warehouse.same import TABLES, differing
from tests.reference.worlds import random_world, write_world

pytestmark = pytest.mark.subjects("dbt_project", "ml/warehouse", "ml/ingest")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one full build of a few customers."""
    folder = tmp_path_factory.mktemp("small")
    add(folder / "home", folder / "raw", random_world(23, customers=12))
    return folder / "home"


@pytest.fixture
def home(small: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small, tmp_path / "home", symlinks=True)


def test_the_same_rows_again_touch_nobody(home: Path, tmp_path: Path) -> None:
    before = Home.at(home).current_build()
    record = add(home, tmp_path / "again", random_world(23, customers=12))
    assert (record["kind"], record["touched"]) == ("incremental", 0)
    assert differing(before, folder_of(home, record)) == {}
    assert linked(before, folder_of(home, record)) == set(TABLES[:4])


def linked(before: Path, after: Path) -> set[str]:
    """The tables whose files of history are the very files of the build before."""
    return {
        table
        for table in TABLES
        if (files := list((before / table).glob("past-*")))
        and all(file.samefile(after / table / file.name) for file in files)
    }


def test_an_item_that_comes_later_changes_history(home: Path, tmp_path: Path) -> None:
    order = random_world(23, customers=12)["orders"][0]
    item = {
        "order_id": order["order_id"],
        "line_number": 99,
        "product_id": "forgotten",
        "category": "forgotten",
        "quantity": Decimal(7),
        "unit_price": Decimal(1),
    }
    record = add(home, tmp_path / "late", {"order_items": [item]})
    assert (record["kind"], record["touched"], record["restated"]) == ("incremental", 1, 1)
    late = folder_of(home, record)
    assert differing(late, folder_of(home, build(home=home, full_refresh=True))) == {}


def test_a_refresh_makes_everything(home: Path) -> None:
    assert build(home=home, full_refresh=True)["kind"] == "full"


@pytest.fixture(scope="module")
def appended(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home after one more ingest that no build has read yet."""
    folder = tmp_path_factory.mktemp("appended")
    home = shutil.copytree(small, folder / "home", symlinks=True)
    write_world(folder / "raw", random_world(23, customers=12))
    ingest(str(folder / "raw"), home=home, append=True, max_rejected=0.0)
    return home


def decision(home: Path, file: Path, **changes: Any) -> Increment | str:
    """What ``find_increment`` says of the current build and load, where these words of build.json differ."""
    manifest_file = Home.at(home).current_build() / "build.json"
    manifest = json.loads(manifest_file.read_text())
    terms, hashed = label_terms_of(manifest), manifest["project_hash"]
    original = manifest_file.read_text()
    manifest_file.write_text(json.dumps(manifest | changes))
    try:
        return find_increment(manifest_file.parent, Home.at(home).current_load(), terms, hashed, file)
    finally:
        manifest_file.write_text(original)


def test_a_load_that_only_adds_is_added(appended: Path, tmp_path: Path) -> None:
    found = decision(appended, tmp_path / "touched.parquet")
    assert isinstance(found, Increment)
    assert (found.touched, found.new, found.restated) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"problem": Problem(horizon_days=14).label_terms()}, "the problem has changed"),
        ({"label_terms": {"label_customer_value": {}}}, "the problem has changed"),
        ({"project_hash": "of another project"}, "the dbt project has changed"),
        ({"as_of": "2024-06-01T00:00:00Z"}, "build-000001 looks back from 2024-06-01T00:00:00Z"),
        ({"split_at": None}, "build-000001 was made by an earlier version"),
        ({"load_id": "load-000002"}, "nothing was loaded since build-000001"),
        ({"load_id": "load-000009"}, "load-000002 replaced the raw rows of build-000001"),
        ({"clocks": {"orders": "2099-01-01T00:00:00Z"}}, "orders end earlier than in build-000001"),
    ],
)
def test_what_makes_everything_anew(
    changes: dict[str, Any], reason: str, appended: Path, tmp_path: Path
) -> None:
    assert decision(appended, tmp_path / "touched.parquet", **changes) == reason


def test_a_project_without_one_file_is_another(tmp_path: Path) -> None:
    project = shutil.copytree(ROOT / "dbt_project", tmp_path / "project")
    assert project_hash(project) == project_hash(ROOT / "dbt_project")
    (project / "models" / "marts" / "exposures.yml").unlink()
    assert project_hash(project) != project_hash(ROOT / "dbt_project")


def test_replaced_raw_rows_are_built_anew(home: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "raw", random_world(24, customers=5))
    ingest(str(tmp_path / "raw"), home=home, max_rejected=0.0)
    record = build(home=home)
    assert (record["kind"], record["rows"]["int_customers"]) == ("full", 5)


def test_rows_out_of_order_are_not_published(tmp_path: Path) -> None:
    file = tmp_path / "table" / "rows.parquet"
    file.parent.mkdir()
    values = "('b', timestamp '2024-01-01'), ('a', timestamp '2024-01-01')"
    with duckdb.connect() as connection:
        rows = f"(values {values}) as rows(customer_id, event_timestamp)"
        connection.execute(f"copy (from {rows}) to '{file}' (format parquet)")
        with pytest.raises(BuildError, match="table: 1 rows are not in the order of customer_id"):
            merge.check_order(connection, file, ("customer_id", "event_timestamp"))


def test_a_merge_that_fails_publishes_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BuildError("out of order")

    monkeypatch.setattr(merge, "check_order", refuse)
    with pytest.raises(BuildError):
        add(home, tmp_path / "again", random_world(23, customers=12))
    assert {path.name for path in Home.at(home).builds.glob("build-*")} == {"build-000001"}
