"""Columns in the names of folders: read where the file has them not, refused where it says otherwise."""

from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from ml.common.errors import SourceError
from ml.ingest import ingest
from tests.ml.ingest.worlds import CLEAN, read_table, write_folder

ORDERS = "order_id,customer_id,total_amount\n"


def write_orders(root, files):
    """A raw folder whose orders are ``files``, path to text."""
    write_folder(root, {"customers": CLEAN["customers"]})
    for name, text in files.items():
        path = root / "orders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_column_of_the_contract_and_extra_ones(tmp_path, home):
    files = {
        "ordered_at=2024-02-01/shop=A%2FB/1.csv": f"{ORDERS}o1,anna,1\n",
        "ordered_at=2024-02-02 10%3A00%3A00/shop=__HIVE_DEFAULT_PARTITION__/1.csv": f"{ORDERS}o2,anna,2\n",
        "Ordered_At=never/shop=C/1.csv": f"{ORDERS}o3,anna,3\n",
    }
    ingest(write_orders(tmp_path / "day=1", files), home=home, max_rejected=1)

    assert read_table(home, "orders", "order_id, ordered_at, shop") == [
        ("o1", datetime(2024, 2, 1), "A/B"),
        ("o2", datetime(2024, 2, 2, 10), None),
    ]
    rejected = read_table(home, "rejected_rows", "reason, content ->> 'Ordered_At'")
    assert rejected == [("ordered_at is not an instant", "never")]


def test_parquet_written_by_partition(tmp_path, home):
    root = write_folder(tmp_path / "raw", {"customers": CLEAN["customers"]})
    query = (
        "select * from (values ('o1', 'anna', '2024-02-01', 5, 'web'), ('o2', 'ben', '2024-02-02', 6, 'x'))"
        " as orders (order_id, customer_id, ordered_at, total_amount, channel)"
    )
    options = "format parquet, partition_by (total_amount, channel)"
    duckdb.connect().execute(f"copy ({query}) to '{root}/orders' ({options})")
    result = ingest(root, home=home)

    assert read_table(home, "orders", "order_id, total_amount, channel") == [
        ("o1", Decimal(5), "web"),
        ("o2", Decimal(6), "x"),
    ]
    assert result["files"]["orders"] == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_that_says_what_the_file_says(tmp_path, home, kind):
    root = write_folder(tmp_path / "raw", {"customers": CLEAN["customers"]})
    folder = root / "orders" / "Total_Amount=5"
    folder.mkdir(parents=True)
    query = "select 'o1' as order_id, 'anna' as customer_id, '2024-02-01' as ordered_at, 5 as total_amount"
    duckdb.connect().execute(f"copy ({query}) to '{folder}/1.{kind}' (format {kind})")
    ingest(root, home=home)
    assert read_table(home, "orders", "total_amount") == [(Decimal(5),)]

    folder.rename(root / "orders" / "Total_Amount=6")
    with pytest.raises(SourceError) as failure:
        ingest(root, home=home)
    assert (
        f"orders/Total_Amount=6/1.{kind} holds 5 in the column total_amount, and its folder's name says 6"
        in str(failure.value)
    )


def test_one_column_in_two_folders(tmp_path, home):
    files = {"day=1/Day=2/1.csv": f"{ORDERS}o1,anna,1\n"}
    with pytest.raises(
        SourceError, match=r"orders/day=1/Day=2/1.csv has the column Day in two of its folders"
    ):
        ingest(write_orders(tmp_path / "raw", files), home=home)
