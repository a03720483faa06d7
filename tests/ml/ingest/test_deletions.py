"""Rows that delete another, as change logs write them, and ends that are only announced."""

import pytest

from ml.common.errors import SourceError
from ml.home.layout import Home
from ml.ingest import ingest
from tests.ml.ingest.worlds import Rows, read_rejected, read_table, write_folder

CUSTOMERS = "customer_id,registered_at\na,2024-01-01\nb,2024-01-01\n"
HEADER = "order_id,customer_id,ordered_at,total_amount,loaded_at,deleted_at,op\n"


def deleted(home: Home, table: str, columns: str) -> Rows:
    """The rows of one table that say they were deleted."""
    rows = read_table(home, table, f"deleted_at is not null, {columns}")
    return [row[1:] for row in rows if row[0]]


def rows(*lines: str) -> str:
    return HEADER + "\n".join(lines) + "\n"


def test_a_deletion_takes_what_it_leaves_out_from_the_version_before(folder, home):
    log = rows(
        "o1,a,2024-02-01,10,2024-02-01,,c",
        "o1,a,2024-02-01,12,2024-02-02,,u",
        "o3,b,2024-02-04,5,2024-02-04,,c",
        "o3,,,,2024-02-06,2024-02-06,d",
        "o1,,,,,2024-02-05,d",
        "o1,a,2024-02-01,99,2024-02-09,,u",
    )
    result = ingest(folder(customers=CUSTOMERS, orders=log), home=home)
    assert result["tables"]["orders"] == {"read": 6, "accepted": 6, "rejected": 0}
    columns = "order_id, customer_id, ordered_at::date::varchar, total_amount::int, loaded_at::date::varchar"
    assert deleted(home, "orders", columns) == [
        ("o1", "a", "2024-02-01", 12, "2024-02-05"),
        ("o3", "b", "2024-02-04", 5, "2024-02-06"),
    ]
    assert not [note for note in result["notes"] if "change log" in note]


def test_a_deletion_of_an_earlier_ingest(folder, tmp_path, home):
    ingest(folder(customers=CUSTOMERS, orders=rows("o1,a,2024-02-01,10,2024-02-01,,c")), home=home)
    more = {"orders": rows("o1,,,,2024-02-03,2024-02-03,d", "o7,,,,2024-02-03,2024-02-03,d")}
    result = ingest(write_folder(tmp_path / "more", more), home=home, append=True, max_rejected=0.5)
    assert result["reasons"] == {"orders: deletes a row that is not there": 1}
    assert deleted(home, "orders", "customer_id, total_amount::int") == [("a", 10)]
    assert read_rejected(home) == {("orders", 2, "deletes a row that is not there")}


def test_a_deletion_needs_its_key(folder, home):
    log = rows(*[f"o{n},a,2024-02-01,10,2024-02-01,," for n in range(30)], ",,,,2024-02-06,2024-02-06,d")
    result = ingest(folder(customers=CUSTOMERS, orders=log), home=home)
    assert result["reasons"] == {"orders: order_id is missing": 1}


def test_a_line_of_an_order_is_deleted_by_its_key(folder, home):
    items = (
        "order_id,line_number,product_id,quantity,unit_price,loaded_at,deleted_at\n"
        "o1,1,p,2,3,,\no1,2,p,1,3,2024-02-02,\no1,2,,,,2024-02-07,2024-02-07\n"
    )
    orders = rows("o1,a,2024-02-01,10,2024-02-01,,c")
    ingest(folder(customers=CUSTOMERS, orders=orders, order_items=items), home=home)
    assert deleted(home, "order_items", "line_number, quantity::int") == [(2, 1)]


def test_a_change_log_as_debezium_writes_it(folder, home):
    log = (
        "order_id,customer_id,ordered_at,total_amount,loaded_at,op,__deleted\n"
        "o1,a,2024-02-01,10,2024-02-01,c,false\n"
        "o1,a,2024-02-01,12,2024-02-02,u,false\n"
        "o1,a,2024-02-01,12,2024-02-05,d,true\n"
        "o2,a,2024-02-03,7,2024-02-03,r,false\n"
        "o3,b,2024-02-04,5,2024-02-04,c,false\n"
        "o3,b,2024-02-04,,2024-02-06,d,true\n"
    )
    result = ingest(folder(customers=CUSTOMERS, orders=log), home=home)
    assert result["tables"]["orders"] == {"read": 6, "accepted": 6, "rejected": 0}
    columns = "order_id, customer_id, total_amount::int, deleted_at::date::varchar, __deleted"
    assert deleted(home, "orders", columns) == [
        ("o1", "a", 12, "2024-02-05", "true"),
        ("o3", "b", 5, "2024-02-06", "true"),
    ]
    assert (
        "orders: rows whose __deleted is true are deletions, from the instant they were recorded on"
        in (result["notes"])
    )


def test_marks_of_a_change_log_without_deleted_at_are_named(folder, home):
    log = "order_id,customer_id,ordered_at,total_amount,op,__deleted\no1,a,2024-02-01,10,c,false\n"
    notes = ingest(folder(customers=CUSTOMERS, orders=log), home=home)["notes"]
    (note,) = [note for note in notes if "change log" in note]
    assert "op, __deleted" in note
    assert "deleted_at" in note


def test_an_announced_end_is_kept_and_moves_no_clock(folder, home):
    log = (
        "order_id,customer_id,ordered_at,total_amount,cancelled_at,loaded_at\n"
        "o1,a,2024-02-01,10,2190-01-01,2024-02-01\n"
    )
    result = ingest(folder(customers=CUSTOMERS, orders=log), home=home)
    assert result["tables"]["orders"]["accepted"] == 1
    assert result["data_clock"] == "2024-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("o1,a,2190-02-01,10,,", "ordered_at is later than this ingest"),
        ("o1,a,2024-02-01,10,,2190-02-01", "loaded_at is later than this ingest"),
        ("o1,a,2024-02-01,10,2024-01-31,", "cancelled_at is before ordered_at"),
    ],
)
def test_what_no_announcement_may_be(line, reason, folder, home):
    log = f"order_id,customer_id,ordered_at,total_amount,cancelled_at,loaded_at\n{line}\n"
    with pytest.raises(SourceError, match=reason):
        ingest(folder(customers=CUSTOMERS, orders=log), home=home)
