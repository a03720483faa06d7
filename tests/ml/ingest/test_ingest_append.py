"""Replacing, appending, and that nothing changes when an ingest fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ml.common.errors import SourceError, TidemarkError
from ml.home.layout import Home
from ml.ingest import ingest, load
from ml.ingest import staging_database as work
from ml.ingest.manifest import read_load_manifest
from tests.ml.ingest.worlds import read_rejected, read_table, write_folder

HEADER = "order_id,customer_id,ordered_at,total_amount,loaded_at\n"


def orders(*lines: str) -> dict[str, str]:
    """A source of orders alone."""
    return {"orders": HEADER + "\n".join(lines) + "\n"}


def test_a_second_ingest_replaces_the_first(clean, folder, home):
    ingest(clean, home=home)
    ingest(
        folder(customers="customer_id,registered_at\nzoe,2024-01-01\n", **orders("z1,zoe,2024-02-01,1,")),
        home=home,
    )

    assert read_table(home, "customers", "customer_id") == [("zoe",)]
    assert read_table(home, "orders", "order_id") == [("z1",)]


def test_append_adds_rows_and_versions_of_any_table(clean, tmp_path, home):
    ingest(clean, home=home)
    more = write_folder(
        tmp_path / "more", orders("o3,anna,2024-03-01,5,", "o1,anna,2024-02-01 10:00:00,11,2024-03-02")
    )

    result = ingest(more, home=home, append=True)

    assert result["tables"]["orders"] == {"read": 2, "accepted": 2, "rejected": 0}
    assert result["total"]["orders"] == {"read": 4, "accepted": 4, "rejected": 0}
    assert result["total"]["customers"] == {"read": 2, "accepted": 2, "rejected": 0}
    assert result["data_clock"] == "2024-03-02T00:00:00Z"
    assert read_table(home, "orders", "order_id, total_amount::varchar") == [
        ("o1", "10.5000"),
        ("o1", "11.0000"),
        ("o2", "20.0000"),
        ("o3", "5.0000"),
    ]


def test_append_judges_new_rows_by_those_already_there(clean, tmp_path, home):
    ingest(clean, home=home)
    lines = (
        "o2,ben,2024-02-02 10:00:00,20,2024-02-03",
        "o2,ben,2024-02-02 10:00:00,21,2024-02-03",
        "o2,anna,2024-02-02 10:00:00,20,2024-02-04",
        "o2,ben,2024-02-02 11:00:00,20,2024-02-02 12:00:00",
        "o4,nobody,2024-02-02,1,",
    )
    result = ingest(write_folder(tmp_path / "more", orders(*lines)), home=home, append=True, max_rejected=1)

    assert result["tables"]["orders"] == {"read": 5, "accepted": 1, "rejected": 4}
    assert read_rejected(home) == {
        ("orders", 2, "conflicting copy of order_id"),
        ("orders", 3, "version changes customer_id"),
        ("orders", 4, "version changes ordered_at"),
        ("orders", 5, "unknown customer"),
    }


def test_items_appended_know_the_orders_of_earlier_loads(clean, tmp_path, home):
    ingest(clean, home=home)
    items = "order_id,line_number,product_id,quantity,unit_price\no1,1,p,1,1\no9,1,p,1,1\n"
    ingest(write_folder(tmp_path / "more", {"order_items": items}), home=home, append=True, max_rejected=1)

    assert read_table(home, "order_items", "order_id") == [("o1",)]
    assert read_rejected(home) == {("order_items", 2, "unknown order")}


def test_the_same_folder_appended_again_is_accepted_and_shares_files(clean, home):
    ingest(clean, home=home)
    before = os.stat(home.current_load() / "orders" / "load-000001.parquet").st_ino
    result = ingest(clean, home=home, append=True)

    assert result["tables"]["orders"] == {"read": 2, "accepted": 2, "rejected": 0}
    files = sorted((home.current_load() / "orders").iterdir())
    assert [file.name for file in files] == ["load-000001.parquet", "load-000002.parquet"]
    assert files[0].stat().st_ino == before


def test_appending_to_nothing_is_a_plain_load(clean, tmp_path, home):
    with pytest.raises(SourceError, match="lacks the required table customers"):
        ingest(write_folder(tmp_path / "more", orders("o1,anna,2024-02-01,1,")), home=home, append=True)

    assert ingest(clean, home=home, append=True)["total"]["orders"]["accepted"] == 2


def test_rejected_rows_and_counts_add_up_over_appends(clean, tmp_path, home):
    ingest(clean, home=home)
    more = write_folder(tmp_path / "more", orders("o5,nobody,2024-02-01,1,"))
    ingest(more, home=home, append=True, max_rejected=1)
    ingest(more, home=home, append=True, max_rejected=1)

    record = read_load_manifest(home.current_load())
    assert record["tables"]["orders"] == {"read": 4, "accepted": 2, "rejected": 2}
    assert record["reasons"] == {"orders: unknown customer": 2}
    assert [one["load_id"] for one in record["ingests"]] == ["load-000001", "load-000002", "load-000003"]
    assert read_table(home, "rejected_rows", "load, reason") == [
        ("load-000002", "unknown customer"),
        ("load-000003", "unknown customer"),
    ]


def test_the_last_two_loads_are_kept_and_appended_rows_outlive_theirs(clean, tmp_path, home):
    ingest(clean, home=home)
    for number in range(3):
        more = write_folder(tmp_path / f"more-{number}", orders(f"n{number},anna,2024-03-01,1,"))
        ingest(more, home=home, append=True)

    loads = sorted(path.name for path in home.raw.glob("load-*"))
    assert loads == ["load-000003", "load-000004"]
    assert [row[0] for row in read_table(home, "orders", "order_id")] == ["n0", "n1", "n2", "o1", "o2"]


def test_loads_that_a_kept_build_was_made_from_are_kept(clean, home):
    for number in range(1, 5):
        ingest(clean, home=home)
        if number in (1, 3):
            made_from(home, f"load-{number:06d}", home.builds / f"build-{number:06d}")
    assert loads_of(home) == ["load-000001", "load-000003", "load-000004"]

    shutil.rmtree(home.builds / "build-000001")
    (home.builds / "build-000003" / "build.json").write_text("{")
    ingest(clean, home=home)
    assert loads_of(home) == ["load-000004", "load-000005"]


def made_from(home: Home, load: str, build: Path) -> None:
    """A build that is nothing but its manifest."""
    build.mkdir(parents=True)
    (build / "build.json").write_text(json.dumps({"build_id": build.name, "load_id": load}))


def loads_of(home: Home) -> list[str]:
    """Every load that is there, whole or not."""
    return sorted(path.name for path in home.raw.glob("load-*"))


def test_a_load_whose_removal_was_interrupted_is_gone_with_the_next_ingest(clean, home, monkeypatch):
    for _ in range(2):
        ingest(clean, home=home)
    monkeypatch.setattr("ml.home.read_leases.shutil.rmtree", fail)
    monkeypatch.setattr("ml.ingest.load.LOADS_TO_KEEP", 1)
    with pytest.raises(OSError, match="interrupted"):
        load.prune(home)
    monkeypatch.undo()
    assert loads_of(home) == ["load-000001.removing", "load-000002"]

    ingest(clean, home=home)
    assert loads_of(home) == ["load-000002", "load-000003"]


def fail(*_, **__):
    raise OSError("interrupted")


def test_too_many_rejected_rows_leave_the_previous_data(clean, folder, home):
    ingest(clean, home=home)
    with pytest.raises(SourceError) as failure:
        ingest(
            folder(**orders("o1,nobody,2024-02-01,1,", "o2,nobody,bad,1,", "o3,anna,2024-02-01,1,")),
            home=home,
        )

    evidence = home.raw / "rejected-last-failure.parquet"
    assert "2 of 3 rows of orders (66.7%) break the contract, at most 5.0% may: " in str(failure.value)
    assert (
        "2 x orders: unknown customer ('nobody' in orders.csv row 1), "
        "1 x orders: ordered_at is not an instant ('bad' in orders.csv row 2); nothing was loaded"
    ) in str(failure.value)
    assert str(evidence) in str(failure.value)
    assert evidence.exists()
    assert home.current_load().name == "load-000001"
    assert sorted(path.name for path in home.raw.glob("load-*")) == ["load-000001"]


def test_the_share_is_of_each_table_and_may_be_reached(folder, home):
    lines = [f"n{number},anna,2024-03-01,1," for number in range(19)]
    source = folder(**orders(*lines, "bad,nobody,2024-03-01,1,"))

    assert ingest(source, home=home, max_rejected=0.05)["tables"]["orders"]["rejected"] == 1
    with pytest.raises(SourceError, match=r"1 of 20 rows of orders \(5.0%\)"):
        ingest(source, home=home, max_rejected=0.0499)


def test_a_small_table_does_not_hide_behind_a_large_one(folder, home):
    lines = [f"n{number},anna,2024-03-01,1," for number in range(200)]
    sessions = "session_id,customer_id,started_at\ns1,anna,bad\ns2,anna,2024-03-01\n"
    with pytest.raises(SourceError, match=r"^1 of 2 rows of sessions \(50.0%\) break the contract"):
        ingest(folder(**orders(*lines), sessions=sessions), home=home)


def test_a_table_rejected_whole_fails_whatever_the_share(folder, home):
    sessions = "session_id,customer_id,started_at\ns1,anna,bad\ns2,anna,worse\n"
    with pytest.raises(SourceError, match=r"^2 of 2 rows of sessions .* and no row holds: .* \(mend them\)$"):
        ingest(folder(sessions=sessions), home=home, max_rejected=1)


def test_rows_that_wait_for_their_customer_may_be_all_that_is_appended(clean, folder, home):
    ingest(clean, home=home)
    waiting = {"customers": "customer_id,registered_at\n", **orders("n1,carl,2024-03-01,1,")}

    counts = ingest(folder(**waiting), home=home, append=True, max_rejected=1)["tables"]["orders"]
    assert counts == {"read": 1, "accepted": 0, "rejected": 1}
    with pytest.raises(SourceError, match="no row holds"):
        ingest(folder(**orders("n2,carl,bad,1,")), home=home, append=True, max_rejected=1)


def test_a_killed_ingest_leaves_the_previous_data(clean, home):
    ingest(clean, home=home)
    program = f"""
        import os, signal
        import ml.ingest.load as load
        load.write_load_manifest = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        load.ingest({str(clean)!r}, home={str(home.root)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)

    assert done.returncode == -signal.SIGKILL
    assert (home.raw / "load-000002.unfinished").exists()
    assert home.current_load().name == "load-000001"
    assert ingest(clean, home=home)["load_id"] == "load-000002"
    assert not list(home.raw.glob("*.unfinished"))


def test_running_out_of_memory_is_one_sentence(clean, home, monkeypatch):
    ingest(clean, home=home)
    monkeypatch.setattr(work, "MEMORY_LIMIT", "1MB")
    with pytest.raises(TidemarkError, match=r"(?i)memory"):
        ingest(clean, home=home)
    assert home.current_load().name == "load-000001"
