"""Merges of customers: which rows are taken in, and why the others are rejected."""

from pathlib import Path

import duckdb

from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest
from ml.ingest.merges import merged_groups
from tests.ml.ingest.worlds import CLEAN, read_rejected, read_table, write_folder

PEOPLE = "customer_id,registered_at\n" + "".join(f"{name},2024-01-01\n" for name in "abcdefgh")
ORDERS = "order_id,customer_id,ordered_at,total_amount\no1,a,2024-02-01,1\n"
HEADER = "old_customer_id,new_customer_id,recorded_at,deleted_at\n"
COLUMNS = "old_customer_id, new_customer_id, recorded_at::varchar"


def load(home: Home, folder: Path, merges: str, append: bool = False, people: str = PEOPLE) -> dict:
    tables = {"customers": people, "orders": ORDERS, "customer_merges": HEADER + merges}
    tables = {"customer_merges": HEADER + merges} if append else tables
    return ingest(write_folder(folder, tables), home=home, append=append, max_rejected=1.0)


def test_merges_are_read_and_move_the_data_clock(home: Home, tmp_path: Path) -> None:
    result = load(home, tmp_path / "raw", "a,b,2024-03-01 10:00,\nb,c,2024-03-02,\n")
    assert result["tables"]["customer_merges"] == {"read": 2, "accepted": 2, "rejected": 0}
    assert read_table(home, "customer_merges", COLUMNS) == [
        ("a", "b", "2024-03-01 10:00:00"),
        ("b", "c", "2024-03-02 00:00:00"),
    ]
    assert result["data_clock"] == "2024-03-02T00:00:00Z"


def test_each_wrong_row_has_its_reason(home: Home, tmp_path: Path) -> None:
    merges = (
        "a,b,2024-03-01,\n"  # 1 the first of a
        "a,c,2024-03-02,\n"  # 2
        "b,b,2024-03-03,\n"  # 3
        "b,c,2024-03-04,\n"  # 4
        "c,a,2024-03-05,\n"  # 5 a into b into c into a
        "d,e,,\n"  # 6
        ",e,2024-03-05,\n"  # 7
        "d,,2024-03-05,\n"  # 8
        "d,e,soon,\n"  # 9
        "d,e,2024-03-05,2024-03-06\n"  # 10
        "d,nobody,2024-03-05,\n"  # 11
        "nobody,d,2024-03-05,\n"  # 12
        "d,e,2150-03-05,\n"  # 13
        "f,g,2024-03-07,\n"  # 14 recorded after the next row
        "g,f,2024-03-06,\n"  # 15
        "a,b,2024-03-01,\n"  # 16 an exact copy
        "a,b,2024-03-08,\n"  # 17 the same two, later
    )
    result = load(home, tmp_path / "raw", merges)
    rejected = {row: reason for table, row, reason in read_rejected(home) if table == "customer_merges"}
    assert rejected == {
        2: "the customer has merged before",
        3: "a customer cannot merge into itself",
        5: "closes a circle of merges",
        6: "recorded_at is missing",
        7: "old_customer_id is missing",
        8: "new_customer_id is missing",
        9: "recorded_at is not an instant",
        10: "deleted_at is set, and a merge cannot be taken back",
        11: "unknown customer",
        12: "unknown customer",
        13: "recorded_at is later than this ingest",
        14: "closes a circle of merges",
        17: "the customer has merged before",
    }
    assert result["tables"]["customer_merges"] == {"read": 17, "accepted": 4, "rejected": 13}
    examples = {entry["reason"]: entry["text"] for entry in result["examples"]}
    assert examples["customer_merges: unknown customer"] == "d"
    assert examples["customer_merges: closes a circle of merges"] == "c"


def test_what_was_loaded_before_stays(home: Home, tmp_path: Path) -> None:
    load(home, tmp_path / "raw", "a,b,2024-03-05,\n")
    load(
        home,
        tmp_path / "more",
        "b,a,2024-03-01,\na,c,2024-03-01,\na,b,2024-03-05,\nb,c,2024-03-02,\n",
        append=True,
    )
    assert {(row, reason) for _, row, reason in read_rejected(home)} == {
        (1, "closes a circle of merges"),
        (2, "the customer has merged before"),
    }
    assert read_table(home, "customer_merges", COLUMNS) == [
        ("a", "b", "2024-03-05 00:00:00"),
        ("a", "b", "2024-03-05 00:00:00"),
        ("b", "c", "2024-03-02 00:00:00"),
    ]


def test_a_merge_waits_for_its_customers(home: Home, tmp_path: Path) -> None:
    load(home, tmp_path / "raw", "a,new,2024-03-01,\nb,a,2024-03-01,\n")
    people = "customer_id,registered_at\nnew,2024-02-01\n"
    result = ingest(write_folder(tmp_path / "more", {"customers": people}), home=home, append=True)
    assert result["tried_again"] == {"customer_merges": {"waited": 1, "accepted": 1}}
    assert [row[:2] for row in read_table(home, "customer_merges", COLUMNS)] == [("a", "new"), ("b", "a")]


def test_a_merge_that_waited_may_close_a_circle_with_one_that_came_meanwhile(
    home: Home, tmp_path: Path
) -> None:
    load(home, tmp_path / "raw", "new,a,2024-03-01,\nb,c,2024-03-01,\n")
    tables = {
        "customers": "customer_id,registered_at\nnew,2024-02-01\n",
        "customer_merges": HEADER + "a,new,2024-03-01,\nd,e,2024-03-01,\n",
    }
    ingest(write_folder(tmp_path / "more", tables), home=home, append=True, max_rejected=1.0)
    assert [row[:2] for row in read_table(home, "customer_merges", COLUMNS)] == [
        ("b", "c"),
        ("d", "e"),
        ("new", "a"),
    ]
    assert {(row, reason) for _, row, reason in read_rejected(home)} == {(1, "closes a circle of merges")}


def test_a_long_circle_is_found(home: Home, tmp_path: Path) -> None:
    number = 1000
    people = "customer_id,registered_at\n" + "".join(
        f"c{each},2024-01-01\n" for each in [*range(number), "x"]
    )
    circle = "".join(
        f"c{each},c{(each + 1) % number},2024-03-01 00:00:00.{each:06d},\n" for each in range(number)
    )
    tables = {
        "customers": people,
        "orders": ORDERS.replace("o1,a", "o1,c0"),
        "customer_merges": HEADER + circle,
    }
    ingest(write_folder(tmp_path / "raw", tables), home=home)
    assert read_rejected(home) == {("customer_merges", number, "closes a circle of merges")}
    groups = merged_groups(home.current_load())
    assert duckdb.sql(f"select count(*), min(final_owner), max(final_owner) from {groups}").fetchall() == [
        (number, f"c{number - 1}", f"c{number - 1}")
    ]


def test_a_load_without_the_table_has_an_empty_one(home: Home, tmp_path: Path) -> None:
    ingest(write_folder(tmp_path / "raw", CLEAN), home=home)
    assert read_load_manifest(home.current_load())["tables"]["customer_merges"] == {
        "read": 0,
        "accepted": 0,
        "rejected": 0,
    }
    assert read_table(home, "customer_merges") == []
    assert merged_groups(home.current_load()) is None
