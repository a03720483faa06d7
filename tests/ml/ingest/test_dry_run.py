"""--dry-run: what an ingest would say and end with, and nothing in the home or the source changes."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ml.cli.ingest import command
from ml.common.errors import BusyError, RefusedError, SourceError
from ml.home.layout import Home
from ml.ingest import ingest, load
from tests.ml.ingest.worlds import CLEAN, write_folder

HEADER = "order_id,customer_id,ordered_at,total_amount\n"
BEN = {"customers": "customer_id,registered_at\nben,2024-01-01\n"}
OF_THE_RUN = ("ingested_at", "rejected_rows", "dry_run")


def contents(root: Path) -> dict[str, str]:
    """Every file and link under ``root``, by what it holds; the lock says who wrote last."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.name != ".lock":
            name = path.relative_to(root).as_posix()
            if path.is_symlink():
                found[name] = os.readlink(path)
            else:
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def with_rejected(folder: Path) -> Path:
    """Twenty orders, of which one is of nobody."""
    lines = [f"n{number},anna,2024-03-01,1" for number in range(19)] + ["bad,nobody,2024-03-01,1"]
    return write_folder(folder, {**CLEAN, "orders": HEADER + "\n".join(lines) + "\n"})


def run(home: Home, *arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--home", str(home.root)])


@pytest.mark.parametrize("append", [False, True])
def test_it_returns_what_the_ingest_returns_and_changes_nothing(
    clean: Path, tmp_path: Path, home: Home, append: bool
) -> None:
    ingest(clean, home=home)
    with pytest.raises(SourceError):
        ingest(write_folder(tmp_path / "failing", {"orders": HEADER}), home=home)
    source = with_rejected(tmp_path / "raw")
    before, before_source = contents(home.root), contents(source)

    told = ingest(source, home=home, append=append, dry_run=True)

    assert (contents(home.root), contents(source)) == (before, before_source)
    assert (told["dry_run"], told["rejected_rows"], told["load_id"]) == (True, None, "load-000002")
    true = ingest(source, home=home, append=append)
    assert "dry_run" not in true
    assert without(told) == without(true)
    assert told["tables"]["orders"] == {"read": 20, "accepted": 19, "rejected": 1}
    assert told["total"]["orders"]["accepted"] == (21 if append else 19)


def without(result: dict) -> dict:
    """A result without what differs between two runs."""
    return {name: value for name, value in result.items() if name not in OF_THE_RUN}


def test_rows_that_wait_are_tried_and_go_on_waiting(tmp_path: Path, home: Home) -> None:
    customers = "customer_id,registered_at\nanna,2024-01-01\n"
    orders = HEADER + "o1,anna,2024-02-01,1\no2,ben,2024-02-01,1\n"
    first = write_folder(tmp_path / "first", {"customers": customers, "orders": orders})
    ingest(first, home=home, max_rejected=0.5)
    more, before = write_folder(tmp_path / "more", BEN), contents(home.root)

    for _ in range(2):
        told = ingest(more, home=home, append=True, dry_run=True)
        assert told["tried_again"] == {"orders": {"waited": 1, "accepted": 1}}
        assert contents(home.root) == before
    assert ingest(more, home=home, append=True)["tried_again"] == told["tried_again"]


def test_a_failing_one_ends_as_the_ingest_and_leaves_the_last_failure(
    clean: Path, folder, home: Home
) -> None:
    ingest(clean, home=home)
    unknown = HEADER + "o1,{},2024-02-01,1\no2,anna,2024-02-01,1\n"
    first, second = folder(orders=unknown.format("zoe")), folder(orders=unknown.format("nobody"))
    with pytest.raises(SourceError):
        ingest(first, home=home)
    before = contents(home.root)
    assert "raw/rejected-last-failure.parquet" in before

    with pytest.raises(RefusedError) as refusal:
        ingest(second, home=home, dry_run=True)

    assert contents(home.root) == before
    assert refusal.value.result["tables"]["orders"] == {"read": 2, "accepted": 1, "rejected": 1}
    assert str(refusal.value) == (
        "1 of 2 rows of orders (50.0%) break the contract, at most 5.0% may: 1 x orders: unknown customer "
        "('nobody' in orders.csv row 1); the ingest would load nothing (mend them, or raise --max-rejected "
        "to load the rest)"
    )


def test_the_command_prints_the_table_and_that_nothing_was_published(tmp_path: Path, home: Home) -> None:
    result = run(home, with_rejected(tmp_path / "raw"), "--dry-run")

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["orders", "1", "20", "19", "1"] in lines
    assert lines[lines.index(["1", "orders:", "unknown", "customer"]) + 1] == [
        *("'nobody'", "in", "orders.csv", "row", "20")
    ]
    assert "the rejected rows are in" not in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "dry run, nothing was published: accepted + rejected = read, data clock 2024-03-01T00:00:00Z"
    )
    assert list(home.raw.iterdir()) == []


@pytest.mark.parametrize("order", ["o1,anna,2024-02-01,free", "o1,nobody,2024-02-01,1"])
def test_a_refusal_comes_after_the_table_with_the_status_of_the_ingest(
    folder: Callable[..., Path], home: Home, order: str
) -> None:
    source = folder(orders=HEADER + order + "\n")
    dry, true = run(home, source, "--dry-run"), run(home, source)

    assert (dry.exit_code, true.exit_code) == (1, 1)
    assert ["orders", "1", "1", "0", "1"] in [line.split() for line in dry.stdout.splitlines()]
    fault = "churn: 1 of 1 rows of orders (100.0%) break the contract, and no row holds: "
    assert dry.stderr.strip().startswith(fault)
    assert true.stderr.strip().startswith(fault)
    assert "the ingest would load nothing (mend them)" in dry.stderr


def test_json_is_the_result_and_one_object_when_refused(tmp_path: Path, home: Home) -> None:
    source = with_rejected(tmp_path / "raw")
    told = json.loads(run(home, source, "--dry-run", "--json").stdout)
    refused_run = run(home, source, "--dry-run", "--json", "--max-rejected", "0.01")
    refused = json.loads(refused_run.stdout)
    true = json.loads(run(home, source, "--json").stdout)

    assert (told["dry_run"], without(told)) == (True, without(true))
    assert (refused_run.exit_code, refused["status"]) == (1, 1)
    assert refused["error"].startswith("1 of 20 rows of orders (5.0%) break the contract, at most 1.0% may")
    assert refused["examples"] == told["examples"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--demo", "shop"], 2, "--dry-run goes with a PATH"),
        (["no/such/folder"], 2, "no/such/folder does not exist"),
        (["{clean}", "--max-rejected", "2"], 2, "--max-rejected is a share from 0 to 1"),
        (["{empty}"], 1, "lacks the required tables customers, orders"),
    ],
)
def test_mistakes_end_as_without_it(
    clean: Path, tmp_path: Path, home: Home, arguments: list[str], status: int, said: str
) -> None:
    empty = write_folder(tmp_path / "empty", {"sessions": "session_id,customer_id,started_at\n"})
    result = run(home, *(argument.format(clean=clean, empty=empty) for argument in arguments), "--dry-run")

    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr


def test_a_home_in_use_and_a_failure_midway_leave_nothing(
    clean: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(clean, home=home)
    before = contents(home.root)
    with home.writing("build"), pytest.raises(BusyError, match="'churn build'"):
        ingest(clean, home=home, dry_run=True)
    monkeypatch.setattr(load, "write_load_manifest", fail)
    with pytest.raises(OSError, match="no room"):
        ingest(clean, home=home, dry_run=True)
    assert contents(home.root) == before


def fail(*_: object) -> None:
    raise OSError("no room")
