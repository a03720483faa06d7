"""A build of what new facts have touched equals a full build of the same raw rows, cell by cell."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import duckdb
import pytest

from ml.common.errors import BuildError
from ml.common.paths import ROOT
from ml.config.problem import read_problem
from ml.demos.shop import write_shop
from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build, increment, merge
from tests.ml.warehouse.same import TABLES, differing, misplaced, moved
from tests.reference.raw import VERSIONED
from tests.reference.withdrawn import withdrawn_world
from tests.reference.worlds import Row, World, random_world, write_world

CLOCK = datetime(2024, 6, 1)
KINDS = {"customers": ("registered_at", "updated_at")} | {
    table: (occurred, "loaded_at") for table, (_, occurred, *_) in VERSIONED.items()
}


def recorded_at(table: str, row: Row) -> datetime:
    occurred, version = KINDS[table]
    return row.get(version) or row[occurred]


def parted(world: World, place: Callable[[str, Row], int], parts: int) -> list[World]:
    """The world in parts; an order's items come with its first version."""
    made: list[World] = [{table: [] for table in world} for _ in range(parts)]
    first: dict[str, int] = {}
    for table in ("customers", "orders", "support_tickets", "sessions"):
        for row in world[table]:
            part = place(table, row)
            made[part][table].append(row)
            if table == "orders":
                first[row["order_id"]] = min(first.get(row["order_id"], parts), part)
    for row in world["order_items"]:
        part = place("order_items", row) if row.get("loaded_at") else 0
        made[max(first[row["order_id"]], part)]["order_items"].append(row)
    return made


def in_time(world: World, *instants: datetime) -> list[World]:
    """What was told up to each instant, then the rest; nobody's facts come before their customer row."""
    earliest: dict[str, datetime] = {}
    for row in world["customers"]:
        known = recorded_at("customers", row)
        earliest[row["customer_id"]] = min(earliest.get(row["customer_id"], known), known)

    def place(table: str, row: Row) -> int:
        if table == "order_items":
            return sum(row["loaded_at"] > instant for instant in instants)
        told = max(recorded_at(table, row), earliest[row["customer_id"]])
        return sum(told > instant for instant in instants)

    return parted(world, place, len(instants) + 1)


def at_random(world: World, parts: int, seed: int) -> list[World]:
    """Rows in any part, whatever their instants: most come late; a third of the customers get nothing new."""
    random = Random(seed)
    later = {row["customer_id"]: random.random() < 0.66 for row in world["customers"]}

    def place(table: str, row: Row) -> int:
        if table == "order_items":
            return random.randrange(parts)
        if table == "customers" or not later[row["customer_id"]] or random.random() < 0.7:
            return 0
        return random.randrange(parts)

    return parted(world, place, parts)


def add(home: Path, folder: Path, world: World) -> dict:
    """Ingest ``world`` on top of what there is, and build."""
    write_world(folder, world)
    ingest(str(folder), home=home, append=True, max_rejected=0.0)
    return build(home=home)


def folder_of(home: Path, record: dict) -> Path:
    return Home.at(home).builds / record["build_id"]


@pytest.fixture
def any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many customers are touched, only they are made again."""
    monkeypatch.setattr(increment, "TOUCHED_SHARE_MAX", 1.0)
    monkeypatch.setenv("CHURN_KEEP_BUILDS", "20")


@pytest.mark.usefixtures("any_share")
def test_extracts_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds all rows known by then, most of them again: history never moves, the end is the same."""
    monkeypatch.setattr(merge, "SMALL_FILES_MAX", 2)
    home, whole = tmp_path / "home", tmp_path / "whole"
    records = []
    for day in (1, 2, 9, 20, 31):
        raw = tmp_path / f"raw-{day}"
        write_shop(raw, customers=200, seed=5, as_of=datetime(2024, 12, day))
        ingest(str(raw), home=home, append=True)
        records.append(build(home=home))
    assert [record["kind"] for record in records] == ["full", *["incremental"] * 4]
    assert [record["restated"] for record in records[1:]] == [0, 0, 0, 0]
    for earlier, later in pairwise(records):
        assert moved(folder_of(home, earlier), folder_of(home, later), earlier["data_clock"]) == {}
    ingest(str(raw), home=whole)
    record = build(home=whole)
    assert record["kind"] == "full"
    assert differing(folder_of(home, records[-1]), folder_of(whole, record)) == {}
    assert misplaced(folder_of(home, records[-1])) == []
    for said in ("rows", "data_clock", "first_known_at", "tests"):
        assert records[-1][said] == record[said]


@pytest.mark.usefixtures("any_share")
def test_facts_in_time(tmp_path: Path) -> None:
    """Every edge case arrives when it was told."""
    world = random_world(21, customers=60)
    instants = [CLOCK + timedelta(days=days, microseconds=days) for days in (0, 40)]
    home = tmp_path / "home"
    records = [
        add(home, tmp_path / f"raw-{number}", part) for number, part in enumerate(in_time(world, *instants))
    ]
    assert [record["kind"] for record in records] == ["full", "incremental", "incremental"]
    whole = build(home=home, full_refresh=True)
    assert differing(folder_of(home, records[-1]), folder_of(home, whole)) == {}
    assert records[-1]["rows"] == whole["rows"]


@pytest.mark.usefixtures("any_share")
def test_facts_in_any_order(tmp_path: Path) -> None:
    """Most new facts say they were known long ago: history is made again, and all is as in a full build."""
    home = tmp_path / "home"
    parts = at_random(random_world(22, customers=60), 3, seed=1)
    records = [add(home, tmp_path / f"raw-{number}", part) for number, part in enumerate(parts)]
    assert [record["kind"] for record in records] == ["full", "incremental", "incremental"]
    assert min(record["restated"] for record in records[1:]) > 5
    assert max(record["touched"] for record in records[1:]) < 60
    whole = build(home=home, full_refresh=True)
    assert differing(folder_of(home, records[-1]), folder_of(home, whole)) == {}
    assert misplaced(folder_of(home, records[-1])) == []
    assert records[-1]["rows"] == whole["rows"]


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize("when", ["in time", "in any order"])
def test_withdrawn_rows_and_lines_with_a_clock(when: str, tmp_path: Path) -> None:
    world = withdrawn_world(25, customers=60)
    instants = [CLOCK + timedelta(days=days, microseconds=days) for days in (0, 40)]
    parts = in_time(world, *instants) if when == "in time" else at_random(world, 3, seed=2)
    home = tmp_path / "home"
    records = [add(home, tmp_path / f"raw-{number}", part) for number, part in enumerate(parts)]
    assert [record["kind"] for record in records] == ["full", "incremental", "incremental"]
    whole = build(home=home, full_refresh=True)
    assert differing(folder_of(home, records[-1]), folder_of(home, whole)) == {}
    assert misplaced(folder_of(home, records[-1])) == []
    assert records[-1]["data_clock"] == whole["data_clock"]


@pytest.mark.usefixtures("any_share")
def test_facts_that_waited_for_their_customers(tmp_path: Path) -> None:
    """Facts of every third customer come before the customer does."""
    world, home = random_world(26, customers=45), tmp_path / "home"
    late = {row["customer_id"] for row in world["customers"] if int(row["customer_id"][1:]) % 3 == 2}
    customers = {
        is_late: [row for row in world["customers"] if (row["customer_id"] in late) == is_late]
        for is_late in (False, True)
    }
    write_world(tmp_path / "first", world | {"customers": customers[False]})
    ingest(str(tmp_path / "first"), home=home, max_rejected=1)
    build(home=home)
    record = add(home, tmp_path / "late", {"customers": customers[True]})
    assert (record["kind"], record["touched"]) == ("incremental", len(late))
    write_world(tmp_path / "whole", world)
    ingest(str(tmp_path / "whole"), home=tmp_path / "other", max_rejected=0.0)
    whole = build(home=tmp_path / "other")
    assert differing(folder_of(home, record), folder_of(tmp_path / "other", whole)) == {}
    assert record["rows"] == whole["rows"]


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


def test_what_makes_everything_anew(home: Path, tmp_path: Path) -> None:
    assert build(home=home, full_refresh=True)["kind"] == "full"
    problem = tmp_path / "problem.yml"
    problem.write_text((ROOT / "problem.yml").read_text().replace("horizon_days: 30", "horizon_days: 14"))
    assert read_problem(problem).horizon_days == 14
    assert build(home=home, problem=problem)["kind"] == "full"
    assert build(home=home)["kind"] == "full", "the problem is another one again"
    project = shutil.copytree(ROOT / "dbt_project", tmp_path / "project")
    (project / "models" / "marts" / "exposures.yml").unlink()
    assert build(home=home, project=project)["kind"] == "full"


def test_a_build_that_looks_back_is_not_added_to(home: Path) -> None:
    assert build(home=home, as_of=CLOCK)["kind"] == "full"
    assert build(home=home)["kind"] == "full"


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


def test_an_older_record_is_built_anew(home: Path) -> None:
    manifest = Home.at(home).current_build() / "build.json"
    record = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({name: record[name] for name in record if name != "split_at"}))
    assert build(home=home)["kind"] == "full"
