"""A pushed row is accepted or rejected as an ingest would, kept once, and taken in by the next build."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError, TidemarkError, UsageError
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest
from ml.journal import push, take_in
from ml.journal.pushes import Pushes
from ml.journal.staged_load import staged_load
from ml.score.customer_build import build_of_customers
from ml.warehouse import build
from tests.ml.warehouse.extracts import at_random
from tests.reference.brute_force import reference_features
from tests.reference.compare import compare
from tests.reference.entity_rows import asked_rows
from tests.reference.worlds import World, latest_instant, random_world, write_world

CUSTOMERS = "customer_id,registered_at\na,2024-01-01\nb,2024-01-02\n"
ORDERS = "order_id,customer_id,ordered_at,total_amount\no1,a,2024-02-01,10.00\n"
ORDER = {
    "table": "orders",
    "order_id": "o2",
    "customer_id": "a",
    "ordered_at": "2024-03-01T12:00:00Z",
    "total_amount": 20.5,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "customers.csv").write_text(CUSTOMERS)
    (tmp_path / "raw" / "orders.csv").write_text(ORDERS)
    ingest(tmp_path / "raw", home=tmp_path / "home")
    return tmp_path / "home"


def lines(*rows: dict[str, Any] | str) -> str:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)


def loaded(home: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(
        f"select {columns} from read_parquet('{home}/raw/current/{table}/*.parquet', union_by_name=true) "
        "order by all"
    ).fetchall()


def test_each_line_is_accepted_or_rejected_with_its_reason(home: Path) -> None:
    answer = push(
        lines(
            ORDER,
            "",
            ORDER | {"order_id": "o3", "customer_id": "nobody"},
            ORDER | {"order_id": "o4", "total_amount": "much"},
            {"table": "orders", "order_id": "o5"},
            "{",
            '{"table": "orders", "order_id": "o6", "order_id": "o7"}',
            ORDER | {"order_id": "\ud800"},
            ORDER | {"table": "invoices"},
            {"order_id": "o8"},
            {"table": "order_items", "order_id": "o2", "line_number": 1, "product_id": "p", "quantity": 1}
            | {"unit_price": 20.5},
        ),
        home=home,
    )
    tables = "customers, orders, order_items, support_tickets, sessions, customer_merges"
    assert [(row["line"], row["status"], row["reason"]) for row in answer["rows"]] == [
        (1, "accepted", None),
        (3, "rejected", "unknown customer"),
        (4, "rejected", "total_amount is not a number"),
        (5, "rejected", "customer_id is missing; ordered_at is missing; total_amount is missing"),
        (6, "rejected", "no JSON object"),
        (7, "rejected", "a name stands twice in the object"),
        (8, "rejected", "a text has half of a surrogate pair, which is no character"),
        (9, "rejected", f"there is no raw table invoices: 'table' is one of {tables}"),
        (10, "rejected", f"the object names no table: 'table' is one of {tables}"),
        (11, "accepted", None),
    ]
    assert (answer["read"], answer["accepted"], answer["rejected"]) == (10, 2, 8)
    assert answer["customers"] == ["a"]


def test_later_pushes_see_the_rows_of_earlier_ones(home: Path) -> None:
    item = {"table": "order_items", "order_id": "o2", "line_number": 1, "product_id": "p", "quantity": 1}
    item["unit_price"] = 20.5
    assert push(lines(item), home=home)["rows"][0]["reason"] == "unknown order"
    answer = push(lines(ORDER), home=home)
    assert (answer["accepted"], answer["customers"]) == (1, ["a"])
    changed = push(lines(ORDER | {"total_amount": 21}), home=home)
    assert changed["rows"][0]["reason"] == "conflicting copy of order_id"
    version = push(lines(ORDER | {"total_amount": 21, "loaded_at": "2024-03-02T00:00:00Z"}), home=home)
    assert version["accepted"] == 1
    take_in(Home.at(home))
    assert loaded(home, "orders", "order_id, total_amount::varchar") == [
        ("o1", "10.0000"),
        ("o2", "20.5000"),
        ("o2", "21.0000"),
    ]
    # the line that came before its order waited for it
    assert loaded(home, "order_items", "order_id, line_number") == [("o2", 1)]


def test_a_key_counts_once_and_goes_with_its_facts(home: Path) -> None:
    first = push(lines(ORDER), key="k", home=home)
    assert push(lines(ORDER), key="k", home=home) == first
    with pytest.raises(UsageError, match="the idempotency key was used for other facts: give a new one"):
        push(lines(ORDER | {"order_id": "o9"}), key="k", home=home)
    with Pushes(Home.at(home)) as pushes:
        assert pushes.newest_number() == 1
    take_in(Home.at(home))
    assert push(lines(ORDER), key="k", home=home) == first  # however long ago
    assert take_in(Home.at(home)) == 0


def test_a_push_that_was_not_kept_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends, or the disk is full, after the rows were checked and before they were kept."""

    def fail(*_: Any) -> int:
        raise TidemarkError("the facts could not be kept, send them again: disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Pushes, "add", fail)
        with pytest.raises(TidemarkError, match="send them again"):
            push(lines(ORDER), home=home)
    with Pushes(Home.at(home)) as pushes, pushes.alone():
        rows = duckdb.sql(f"from read_parquet('{staged_load(Home.at(home), pushes)}/orders/*.parquet')")
        assert len(rows.fetchall()) == 1
    assert push(lines(ORDER), home=home)["accepted"] == 1


def test_names_of_columns_may_differ_in_case_and_blanks_from_push_to_push(home: Path) -> None:
    named = {name.upper() if name != "table" else name: value for name, value in ORDER.items()}
    assert push(lines(named | {" extra ": 1}), home=home)["accepted"] == 1
    assert push(lines(ORDER | {"order_id": "o3", "Extra": 2}), home=home)["accepted"] == 1
    twice = push(lines(ORDER | {"order_id": "o4", "Order_ID": "o5"}), home=home)
    assert twice["rows"][0]["reason"] == "a name stands twice in the object"
    assert take_in(Home.at(home)) == 2
    assert [row[0] for row in loaded(home, "orders", "order_id")] == ["o1", "o2", "o3"]


def test_an_ingest_in_between_keeps_what_waits(home: Path, tmp_path: Path) -> None:
    push(lines(ORDER), home=home)
    ingest(tmp_path / "raw", home=home)  # replaces the load
    version = push(lines(ORDER | {"total_amount": 30, "loaded_at": "2024-03-05T00:00:00Z"}), home=home)
    assert version["accepted"] == 1
    assert take_in(Home.at(home)) == 2
    assert [row[0] for row in loaded(home, "orders", "order_id")] == ["o1", "o2", "o2"]


def test_rejected_rows_are_kept_with_their_reason_when_they_are_taken_in(home: Path) -> None:
    push(lines(ORDER, ORDER | {"order_id": "o4", "total_amount": "much"}), home=home)
    take_in(Home.at(home))
    manifest = read_load_manifest(Home.at(home).current_load())
    assert manifest["ingests"][-1]["tables"]["orders"] == {"read": 2, "accepted": 1, "rejected": 1}
    reasons = loaded(home, "rejected_rows", '"table", reason')
    assert reasons == [("orders", "total_amount is not a number")]


def test_a_take_in_that_was_killed_before_it_could_say_so_is_not_repeated(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(lines(ORDER), home=home)

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Pushes, "mark_taken_in", die)
        with pytest.raises(Killed):
            take_in(Home.at(home))
    take_in(Home.at(home))
    assert len(read_load_manifest(Home.at(home).current_load())["ingests"]) == 2


def test_pushes_killed_at_any_moment_and_sent_again_count_once(home: Path) -> None:
    orders = [ORDER | {"order_id": f"k{number}"} for number in range(8)]
    acknowledged = []
    for number, order in enumerate(orders):
        command = [sys.executable, "-m", "ml", "push", "-", "--home", str(home), "--key", f"key {number}"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin
        process.stdin.write(lines(order))
        process.stdin.close()
        try:
            process.wait(0.6 + 0.2 * number)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.returncode == 0:
            acknowledged.append(number)
        if process.stdout:
            process.stdout.close()
    with Pushes(Home.at(home)) as pushes:
        assert all(pushes.find(f"key {number}") for number in acknowledged)
    for number, order in enumerate(orders):
        assert push(lines(order), key=f"key {number}", home=home)["accepted"] == 1
    take_in(Home.at(home))
    assert [row[0] for row in loaded(home, "orders", "order_id")] == [*(f"k{n}" for n in range(8)), "o1"]
    counts = read_load_manifest(Home.at(home).current_load())["ingests"][-1]["tables"]["orders"]
    assert counts == {"read": 8, "accepted": 8, "rejected": 0}


def test_what_makes_no_push(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no facts: give one JSON object a line"):
        push("\n \n", home=home)
    with pytest.raises(UsageError, match="1,001 facts are more than the 1,000 of one push"):
        push(lines(*[ORDER] * 1001), home=home)
    with pytest.raises(UsageError, match="the facts are not UTF-8"):
        push(b"\xff", home=home)
    with pytest.raises(NotReadyError, match="no raw data yet: run 'churn ingest PATH' first"):
        push(lines(ORDER), home=tmp_path / "empty")


def test_the_command(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text(lines({name: value for name, value in ORDER.items() if name != "table"}))
    result = CliRunner().invoke(main, ["push", str(file), "--home", str(home)])
    assert (result.exit_code, result.output) == (0, "1 read = 1 accepted + 0 rejected\n")
    again = CliRunner().invoke(main, ["push", "-", "--home", str(home)], input="nonsense")
    assert (again.exit_code, again.stdout) == (
        1,
        "1 read = 0 accepted + 1 rejected\n  line 1: no JSON object\n",
    )
    missing = CliRunner().invoke(main, ["push", str(tmp_path / "none.jsonl"), "--home", str(home)])
    assert missing.exit_code == 2
    assert "none.jsonl cannot be read: No such file or directory" in missing.stderr


@pytest.mark.subjects("dbt_project", "ml/journal", "ml/warehouse", "ml/score/customer_build.py")
def test_pushed_facts_have_the_values_of_a_brute_force_before_and_after_the_build(tmp_path: Path) -> None:
    """Late, corrected, deleted, repeated rows: a part is built, the rest is pushed, some of it twice."""
    world = random_world(31, customers=40)
    first, rest = at_random(world, 2, seed=7)
    write_world(tmp_path / "first", first)
    whole = write_world(tmp_path / "whole", world)
    home = Home.at(tmp_path / "home")
    ingest(tmp_path / "first", home=home, append=True, max_rejected=0.0)
    build(home=home)
    texts = json_lines(rest)
    pushes = [texts[start : start + 400] for start in range(0, len(texts), 400)]
    touched = set[str]()
    for part in [*pushes, pushes[0]]:
        answer = push("\n".join(part), home=home)
        assert answer["rejected"] == 0, [row for row in answer["rows"] if row["reason"]]
        touched.update(answer["customers"])
    assert touched == {row["customer_id"] for row in customers_of(rest, world)}

    rows = asked_rows(whole, 300, seed=3, max_edges=1500)
    chosen = pa.array([name in touched for name in rows.column("customer_id").to_pylist()])
    rows = rows.filter(chosen).select(["customer_id", "event_timestamp"])
    expected = reference_features(whole, rows)
    with Pushes(home) as open_pushes, open_pushes.alone():
        load = staged_load(home, open_pushes)
    clock = latest_instant(world) + timedelta(days=400)
    with build_of_customers(home.current_build(), load, sorted(touched), clock) as live:
        before = compare(expected, point_in_time(live, rows))
    assert before.cells > 50_000
    assert before.differences == []

    build(home=home)
    assert compare(expected, point_in_time(home.current_build(), rows)).differences == []
    with Pushes(home) as open_pushes:
        assert open_pushes.waiting() == []


def json_lines(world: World) -> list[str]:
    """Each row as a line, orders before their items."""
    return [
        json.dumps(
            {"table": table}
            | {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in row.items()
                if value is not None
            },
            default=str,
        )
        for table, rows in world.items()
        for row in rows
    ]


def customers_of(part: World, world: World) -> list[dict[str, Any]]:
    """The rows of a part that name a customer; those of items by their order."""
    owners = {row["order_id"]: row["customer_id"] for row in world["orders"]}
    named = [row for table, rows in part.items() if table != "order_items" for row in rows]
    return named + [{"customer_id": owners[row["order_id"]]} for row in part["order_items"]]


def test_a_fact_of_a_merged_customer_touches_all_whom_merges_join(home: Path, tmp_path: Path) -> None:
    merges = "old_customer_id,new_customer_id,recorded_at\na,b,2024-02-15\n"
    (tmp_path / "merges").mkdir()
    (tmp_path / "merges" / "customer_merges.csv").write_text(merges)
    ingest(tmp_path / "merges", home=home, append=True)
    build(home=home)
    answer = push(lines(ORDER), home=home)
    assert answer["customers"] == ["a", "b"]
    at = datetime(2024, 3, 1, 12)
    with Pushes(Home.at(home)) as pushes, pushes.alone():
        load = staged_load(Home.at(home), pushes)
    rows = pa.table({"customer_id": ["b", "b"], "event_timestamp": [at, at - timedelta(microseconds=1)]})
    names = ["orders_lifetime", "spend_lifetime"]
    with build_of_customers(Home.at(home).current_build(), load, ["b"], at) as live:
        values = point_in_time(live, rows, features=names).to_pylist()
    # o1 of a came to b with the merge; o2, which came under the old key, is b's at once
    assert [(row["orders_lifetime"], str(row["spend_lifetime"])) for row in values] == [
        (2, "30.5000"),
        (1, "10.0000"),
    ]
