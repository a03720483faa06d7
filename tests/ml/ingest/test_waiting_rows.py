"""Rows whose customer or order is not there yet: they wait, and each append tries them again."""

from pathlib import Path

import pytest

from ml.audit.reconciliation import unbalanced_counts, wrong_file_counts
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest
from tests.ml.ingest.worlds import read_rejected, read_table, write_folder

ANNA = "customer_id,registered_at\nanna,2024-01-01\n"
BEN = "customer_id,registered_at\nben,2024-01-01\n"
CARL = "customer_id,registered_at\ncarl,2024-01-01\n"
ORDERS = (
    "order_id,customer_id,ordered_at,total_amount,loaded_at,shop\n"
    "o1,anna,2024-02-01 10:00,1,2024-02-02,a\n"
    "o2,ben,2024-02-01 10:00,2,2024-02-02,b\n"
    "o3,carl,2024-02-01 10:00,3,2024-02-02,c\n"
    "o4,ben,2024-02-01 10:00,free,2024-02-02,d\n"
)
ITEMS = "order_id,line_number,product_id,quantity,unit_price\no1,1,p,1,1\no2,1,p,2,1\no9,1,p,9,1\n"


@pytest.fixture
def first(tmp_path: Path, home: Home) -> Home:
    """Orders of three customers, of whom only anna is there."""
    folder = write_folder(tmp_path / "first", {"customers": ANNA, "orders": ORDERS, "order_items": ITEMS})
    ingest(folder, home=home, max_rejected=0.9, timezone="+02:00")
    return home


def append(home: Home, folder: Path, **tables: str) -> dict:
    return ingest(write_folder(folder, tables), home=home, append=True)


def faults(home: Home) -> list[str]:
    record = read_load_manifest(home.current_load())
    return [
        breach.what
        for breach in (*wrong_file_counts(home.current_load(), record), *unbalanced_counts(record))
    ]


def test_what_waits_comes_in_with_its_customer_and_its_items_follow(first: Home, tmp_path: Path) -> None:
    result = append(first, tmp_path / "more", customers=BEN)
    columns = "order_id, ordered_at::varchar, total_amount::int, shop, _file, _row"
    assert read_table(first, "orders", columns) == [
        ("o1", "2024-02-01 08:00:00", 1, "a", "orders.csv", 1),
        ("o2", "2024-02-01 08:00:00", 2, "b", "orders.csv", 2),
    ]
    assert read_table(first, "order_items", "order_id, quantity::int") == [("o1", 1), ("o2", 2)]
    assert result["tried_again"] == {
        "orders": {"waited": 2, "accepted": 1},
        "order_items": {"waited": 2, "accepted": 1},
    }
    assert "1 of 2 rows of orders that waited for their customer are in now" in result["notes"]
    assert result["tables"]["orders"] == {"read": 1, "accepted": 1, "rejected": 0}
    assert result["total"]["orders"] == {"read": 4, "accepted": 2, "rejected": 2}
    assert result["total"]["order_items"] == {"read": 3, "accepted": 2, "rejected": 1}


def test_what_is_in_is_rejected_no_more_and_the_load_before_stays_as_it_was(
    first: Home, tmp_path: Path
) -> None:
    before, load = read_rejected(first), first.current_load()
    assert {row[:2] for row in before} == {("orders", 2), ("orders", 3), ("orders", 4), *items(2, 3)}
    append(first, tmp_path / "more", customers=BEN)
    assert {row[:2] for row in read_rejected(first)} == {("orders", 3), ("orders", 4), *items(3)}
    assert read_load_manifest(first.current_load())["reasons"] == {
        "orders: unknown customer": 2,
        "orders: total_amount is not a number": 1,
        "order_items: unknown order": 1,
    }
    assert faults(first) == []
    (first.raw / "current").unlink()
    (first.raw / "current").symlink_to(load.name)
    assert read_rejected(first) == before
    assert faults(first) == []


def items(*rows: int) -> list[tuple[str, int]]:
    return [("order_items", row) for row in rows]


def test_rows_wait_through_many_appends(first: Home, tmp_path: Path) -> None:
    append(first, tmp_path / "second", customers=ANNA.replace("anna", "dora"))
    append(first, tmp_path / "third", customers=BEN)
    result = append(first, tmp_path / "fourth", customers=CARL)
    assert read_table(first, "orders", "order_id") == [("o1",), ("o2",), ("o3",)]
    assert result["total"]["orders"] == {"read": 4, "accepted": 3, "rejected": 1}
    assert faults(first) == []
    again = append(first, tmp_path / "fifth", customers=CARL)
    assert again["tried_again"] == {"order_items": {"waited": 1, "accepted": 0}}


def test_rows_of_one_file_name_and_number_are_told_apart(first: Home, tmp_path: Path) -> None:
    """The append brings a file of the same name, whose second row is good."""
    more = ORDERS.splitlines()[0] + "\no7,anna,2024-02-03,7,2024-02-03,x\no8,anna,2024-02-03,8,2024-02-03,x\n"
    result = append(first, tmp_path / "more", customers=BEN, orders=more)
    assert read_table(first, "orders", "order_id") == [("o1",), ("o2",), ("o7",), ("o8",)]
    assert result["tables"]["orders"] == {"read": 3, "accepted": 3, "rejected": 0}
    assert faults(first) == []


def test_a_row_that_came_meanwhile_wins(first: Home, tmp_path: Path) -> None:
    """The order was delivered again for anna, so that the one that waited contradicts it."""
    orders = ORDERS.splitlines()[0] + "\no2,anna,2024-02-01 08:00,2,2024-02-01,b\n"
    append(first, tmp_path / "second", orders=orders)
    append(first, tmp_path / "third", customers=BEN)
    assert read_table(first, "orders", "order_id, customer_id") == [("o1", "anna"), ("o2", "anna")]
    assert ("orders", 2, "version changes customer_id") in read_rejected(first)
    assert read_load_manifest(first.current_load())["reasons"]["orders: version changes customer_id"] == 1
    assert faults(first) == []
    fourth = append(first, tmp_path / "fourth", customers=CARL)
    assert fourth["tried_again"]["orders"] == {"waited": 1, "accepted": 1}


def test_a_deletion_waits_for_its_row(first: Home, tmp_path: Path) -> None:
    orders = (
        "order_id,customer_id,ordered_at,total_amount,loaded_at,deleted_at\no3,,,,2024-02-05,2024-02-05\n"
    )
    ingest(write_folder(tmp_path / "second", {"orders": orders}), home=first, append=True, max_rejected=1)
    append(first, tmp_path / "third", customers=CARL)
    append(first, tmp_path / "fourth", customers=ANNA.replace("anna", "dora"))
    columns = "order_id, customer_id, deleted_at is not null"
    assert read_table(first, "orders", columns)[1:] == [("o3", "carl", False), ("o3", "carl", True)]
    assert faults(first) == []


def test_a_new_ingest_forgets_what_waited(first: Home, tmp_path: Path) -> None:
    ingest(
        write_folder(tmp_path / "new", {"customers": BEN, "orders": ORDERS.replace("anna", "ben")}),
        home=first,
        max_rejected=0.9,
    )
    result = append(first, tmp_path / "more", customers=ANNA)
    assert result["tried_again"] == {"orders": {"waited": 1, "accepted": 0}}


def test_a_planted_loss_is_named(first: Home, tmp_path: Path) -> None:
    """The audit's ledger misses a row that came in and was not taken from the rejected ones."""
    load = first.current_load()
    kept = (load / "rejected_rows" / "load-000001.parquet").read_bytes()
    append(first, tmp_path / "more", customers=BEN)
    file = first.current_load() / "rejected_rows" / "load-000001.parquet"
    file.unlink()
    file.write_bytes(kept)
    assert any("holds 3 rows, but load.json says 2 were rejected" in fault for fault in faults(first))
