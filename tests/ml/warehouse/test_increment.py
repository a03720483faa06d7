"""A build of what new facts have touched equals a full build of the same raw rows, cell by cell."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ml.demos.shop import write_shop
from ml.ingest import ingest
from ml.warehouse import build, increment, merge
from tests.ml.warehouse.extracts import add, at_random, folder_of, in_time
from tests.ml.warehouse.same import differing, misplaced, moved
from tests.reference.withdrawn import withdrawn_world
from tests.reference.worlds import random_world, write_world

pytestmark = pytest.mark.subjects("dbt_project", "ml/warehouse", "ml/ingest")

CLOCK = datetime(2024, 6, 1)


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
    assert whole["kind"] == "full"
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
    assert whole["kind"] == "full"
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
    assert whole["kind"] == "full"
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
