"""churn build: what it says of a build, what it refuses, what a killed one leaves, which ones it keeps."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.common.errors import BuildError, BusyError
from ml.common.paths import ROOT
from ml.home.layout import Home
from ml.home.publication import publish
from ml.warehouse import build
from tests.reference.labels import cut_offs, orders_delivered_until, reference_labels
from tests.reference.raw import open_raw
from tests.worlds import Built

CLOCK = datetime(2025, 6, 1)
TERMS = {"horizon_days": 30, "active_within_days": 90, "cutoff_every_days": 7, "label_delay_days": 0}
FEATURE_MODELS = {
    "feat_customer_engagement",
    "feat_customer_orders",
    "feat_customer_profile",
    "feat_customer_support",
}

HOLD = """
import sys
from ml.home.layout import Home
with Home.at(sys.argv[1]).writing("ingest"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(world: Built, tmp_path: Path) -> Path:
    """A home of one's own, with the load and the build of the random world."""
    return shutil.copytree(world.home, tmp_path / "home", symlinks=True)


@pytest.fixture
def held_by(home: Path) -> Iterator[int]:
    """The process that holds the home's write lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.communicate("")


def record_of(build_folder: Path) -> dict:
    return json.loads((build_folder / "build.json").read_text())


def asked_to_build(home: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["build", "--home", str(home), *options])


def published(home: Path) -> tuple[set[str], str]:
    """The builds that are there, and the one that readers see."""
    builds = Home.at(home).builds
    return {path.name for path in builds.glob("build-*")}, Home.at(home).current_build().name


def test_the_record_says_where_it_comes_from(world: Built) -> None:
    record = record_of(world.build)
    assert set(record) == {
        *("build_id", "load_id", "kind", "replaces", "lineage", "published_at", "problem", "project_hash"),
        "label_terms",
        *("first_known_at", "data_clock", "as_of", "split_at", "rows", "tests", "seconds", "seconds_of"),
        *("customers", "clocks", "orders_delivered_until", "orders_arrive", "notes"),
    }
    assert (record["kind"], record["replaces"], record["lineage"]) == ("full", None, [])
    assert (record["as_of"], record["split_at"]) == (None, record["data_clock"])
    assert (record["build_id"], record["load_id"]) == ("build-000001", "load-000001")
    assert record["data_clock"] == "2025-06-01T00:00:00Z"
    assert record["problem"] == TERMS
    assert record["seconds"] > 0


def test_the_record_counts_the_tests(world: Built) -> None:
    nodes = json.loads((world.build / "manifest.json").read_text())
    data_tests = [node for node in nodes["nodes"].values() if node["resource_type"] == "test"]
    assert record_of(world.build)["tests"] == {"passed": len(data_tests)}
    assert len(data_tests) > 80


def test_the_record_counts_the_rows(world: Built) -> None:
    rows = record_of(world.build)["rows"]
    first_known = (
        open_raw(world.raw).execute("select count(*), min(first_known_at) from first_known").fetchone()
    )
    assert rows["int_customers"] == first_known[0] == 250
    settled = orders_delivered_until(world.raw, CLOCK) - timedelta(days=30)
    assert rows["int_cutoffs"] == len(cut_offs(first_known[1], settled, 7))
    labels = [cutoff for _, cutoff, _ in reference_labels(world.raw, CLOCK) if cutoff <= settled]
    assert rows["label_customer_churn"] == len(labels)
    files = {path.name: path for kind in ("features", "labels") for path in (world.build / kind).iterdir()}
    assert files.keys() == FEATURE_MODELS | {
        "label_customer_churn",
        "label_pending",
        "label_customer_value",
        "label_value_pending",
        "population_customers",
    }
    found = {
        name: duckdb.sql(f"from '{path}/*.parquet'").count("*").fetchone()[0] for name, path in files.items()
    }
    assert found == {name: count for name, count in rows.items() if not name.startswith("int_")}


def test_a_clock_later_than_the_data_is_refused(world: Built) -> None:
    before = published(world.home)
    result = asked_to_build(world.home, "--as-of", "2025-06-01T00:00:00.000001Z")
    assert result.exit_code == 2
    assert result.stderr == (
        "churn: --as-of 2025-06-01T00:00:00.000001Z is later than the data clock 2025-06-01T00:00:00Z: "
        "choose that or an earlier instant\n"
    )
    assert published(world.home) == before


def test_a_zone_counts_in_a_clock(world: Built) -> None:
    result = asked_to_build(world.home, "--as-of", "2025-05-31T23:00:00-02:00")
    assert result.exit_code == 2
    assert "--as-of 2025-06-01T01:00:00Z is later" in result.stderr


@pytest.mark.parametrize("text", ["yesterday", "", "2024-13-01", "2024-02-30T00:00:00Z"])
def test_what_is_no_instant_is_refused(text: str, world: Built) -> None:
    before = published(world.home)
    result = asked_to_build(world.home, "--as-of", text)
    assert result.exit_code == 2
    assert f"{text!r} is not an ISO 8601 instant such as 2024-03-01T12:00:00Z" in result.stderr
    assert published(world.home) == before


def test_a_clock_before_the_first_fact_is_refused(home: Path, world: Built) -> None:
    result = asked_to_build(home, "--as-of", "2001-02-03T04:05:06Z")
    assert result.stderr == (
        "churn: --as-of 2001-02-03T04:05:06Z is earlier than the first known fact: choose a later instant\n"
    )
    assert result.exit_code == 2
    assert published(home) == ({"build-000001"}, "build-000001")
    assert record_of(Home.at(home).current_build()) == record_of(world.build)


def test_an_early_clock_is_a_build_like_any_other(home: Path, world: Built) -> None:
    clock = datetime(2022, 12, 1)
    record = build(home=home, as_of=clock)
    assert record["data_clock"] == "2022-12-01T00:00:00Z"
    assert record["rows"]["label_customer_churn"] == len(reference_labels(world.raw, clock)) > 0
    assert published(home) == ({"build-000001", "build-000002"}, "build-000002")


@pytest.mark.parametrize("kind", ["singular", "generic"])
def test_a_data_test_of_a_model_that_is_gone_fails_the_build(home: Path, tmp_path: Path, kind: str) -> None:
    """dbt by itself drops such a test with a warning; again, because a parse may come from its cache."""
    project = tmp_path / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    if kind == "singular":
        (project / "tests" / "orphan.sql").write_text("select 1 from {{ ref('feat_gone') }} where false")
    else:
        file = project / "models" / "marts" / "labels" / "label_pending.yml"
        relationship = "relationships: {arguments: {to: ref('feat_gone'), field: customer_id}}"
        text = file.read_text()
        file.write_text(text.replace("data_tests:", f"data_tests:\n      - {relationship}", 1))
        assert relationship in file.read_text()
    before = published(home)
    for _ in range(2):
        with pytest.raises(BuildError, match=r"nothing was published: .*feat_gone"):
            build(home=home, project=project)
    assert published(home) == before


def test_another_process_that_writes_is_named(home: Path, held_by: int) -> None:
    with pytest.raises(BusyError) as error:
        build(home=home)
    assert str(error.value) == (
        f"'churn ingest' (process {held_by}) is writing to {home}: wait for it to end, then try again"
    )
    assert asked_to_build(home).exit_code == 1
    assert published(home) == ({"build-000001"}, "build-000001")


def test_the_build_after_a_killed_one(home: Path) -> None:
    builds = Home.at(home).builds
    for number in (2, 3):
        folder = shutil.copytree(builds / "build-000001", builds / f"build-{number:06d}")
        (folder / "build.json").write_text(json.dumps({**record_of(folder), "build_id": folder.name}))
        publish(folder)
    left = killed_build(home, builds / "build-000004")
    assert left == "build-000003"
    assert not (builds / "build-000004" / "build.json").exists()

    (builds / "build-000009").mkdir()
    result = asked_to_build(home, "--json")
    assert result.exit_code == 0, result.stderr
    assert published(home) == ({"build-000002", "build-000003", "build-000004"}, "build-000004")
    assert json.loads(result.stdout) == record_of(builds / "build-000004")
    same = ("load_id", "data_clock", "problem", "rows", "tests")
    assert [record_of(builds / "build-000004")[key] for key in same] == [
        record_of(builds / "build-000003")[key] for key in same
    ]


def killed_build(home: Path, folder: Path) -> str:
    """Kill a build once its folder is there, and say which build readers saw after that."""
    command = [sys.executable, "-m", "ml", "build", "--home", str(home), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not folder.exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert process.poll() is None
        process.kill()
    assert process.returncode == -9
    return Home.at(home).current_build().name
