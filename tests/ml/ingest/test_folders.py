"""Every file of a raw folder is a table's, a writer's own, or named; none is passed over in silence."""

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest

from ml.common.errors import SourceError
from ml.ingest import ingest
from ml.ingest.file_names import CHECKSUMS, CSV
from ml.ingest.partitions import MISSING
from ml.ingest.table_formats import LOG_FOLDERS
from tests.ml.ingest.worlds import CLEAN, read_table

ORDERS = "order_id,customer_id,ordered_at,total_amount\n"


def write(path: Path, content: str | bytes = "") -> Path:
    """A file of ``content``, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_packed(path: Path, text: str) -> Path:
    """A CSV file packed as Zstandard."""
    path.write_bytes(pa.Codec("zstd").compress(text.encode(), asbytes=True))
    return path


def orders(number: int, mark: str = ",") -> str:
    """One order as CSV text."""
    return (ORDERS + f"n{number},anna,2024-03-0{number},1\n").replace(",", mark)


@pytest.fixture
def inside(clean: Path) -> Path:
    """The folder of the orders, which hold no file yet."""
    (clean / "orders.csv").unlink()
    (clean / "orders").mkdir()
    return clean / "orders"


def test_endings_and_table_names_count_in_any_capitals(inside, clean, home):
    write(inside / "1.csv", orders(1))
    write(inside / "2.CSV", orders(2))
    write(inside / "3.Csv.GZ", gzip.compress(orders(3).encode()))
    write_packed(inside / "4.csv.zst", orders(4))
    write(inside / "deep" / "5.TSV", orders(5, "\t"))
    inside.rename(clean / "Orders")
    (clean / "customers.csv").rename(clean / "CUSTOMERS.Csv")
    write(clean / "sessions.tsv", "session_id\tcustomer_id\tstarted_at\ns1\tben\t2024-02-01\n")

    result = ingest(clean, home=home)

    assert [row[:1] for row in read_table(home, "orders", "order_id")] == [(f"n{n}",) for n in range(1, 6)]
    assert result["files"] == {"customers": 1, "orders": 5, "sessions": 1}
    assert (result["tables"]["sessions"]["accepted"], result["not_read"]) == (1, [])


UNREADABLE = {
    "orders/5.xls": "save it as .xlsx",
    "orders/6.csv.bz2": "unpack it",
    "orders/7.csv.bak": "move it out of the folder",
    "orders/README.md": "convert it to CSV or Parquet",
    "support_tickets.Avro": "convert it to CSV or Parquet",
    "SESSIONS": "convert it to CSV or Parquet",
    "Order_Items.csv.zip": "unpack it",
}


def test_what_bears_a_tables_name_and_cannot_be_read_fails_by_name(inside, clean, home):
    write(inside / "1.csv", orders(1))
    for name in UNREADABLE:
        write(clean / name, "x")

    with pytest.raises(SourceError) as failure:
        ingest(clean, home=home)

    for name, remedy in UNREADABLE.items():
        assert f"{name} ({remedy}" in str(failure.value)
    assert "1.csv (" not in str(failure.value)
    assert not (home.raw / "current").exists()


def test_every_other_file_is_named_with_what_it_looks_like(clean, home):
    for name in ["order.csv", "Orders 2024.csv", "notes.txt", "old/orders.csv", "old/more/x.txt", "empty/x"]:
        write(clean / name)
    for name in [
        "_SUCCESS",
        ".orders.csv.crc",
        "orders.csv.md5",
        "Thumbs.db",
        "_old/notes.txt",
        "._orders.csv",
    ]:
        write(clean / name)
    write(clean / "_orders.csv")

    result = ingest(clean, home=home)

    assert result["not_read"] == [
        "Orders 2024.csv (perhaps the table orders: name it so, or put its files in a folder orders/)",
        "_orders.csv (hidden by its name)",
        "empty/ (1 file)",
        "notes.txt",
        "old/ (2 files, among them old/orders.csv: give that folder)",
        "order.csv (perhaps the table orders: name it so, or put its files in a folder orders/)",
    ]


def test_hidden_data_in_a_tables_folder_is_named(inside, clean, home):
    write(inside / "1.csv", orders(1))
    write(inside / "_temporary" / "0" / "2.csv", orders(2))
    write(inside / "_day=3" / "3.csv", orders(3))
    for name in ["_SUCCESS", ".1.csv.crc", "._1.csv", ".DS_Store"]:
        write(inside / name)

    result = ingest(clean, home=home)

    assert result["not_read"] == ["orders/_temporary/0/2.csv (hidden by its name)"]
    assert read_table(home, "orders", "_file") == [("orders/1.csv",), ("orders/_day=3/3.csv",)]


def test_a_folder_of_folders_says_which_to_give(tmp_path, home):
    for name, text in CLEAN.items():
        write(tmp_path / "raw" / "export" / f"{name}.csv", text)

    with pytest.raises(SourceError, match=r"no raw table.*among them export/customers.csv.*give that folder"):
        ingest(tmp_path / "raw", home=home)


def test_links_are_followed_and_nothing_is_read_twice(inside, clean, tmp_path, home):
    elsewhere = write(tmp_path / "elsewhere" / "2.csv", orders(2)).parent
    write(tmp_path / "store" / "blob", orders(3))
    write(inside / "2024" / "1.csv", orders(1))
    (inside / "more").symlink_to(elsewhere)
    (inside / "3.csv").symlink_to(tmp_path / "store" / "blob")
    (inside / "latest").symlink_to(inside / "2024")
    (inside / "2024" / "up").symlink_to(inside)

    with pytest.raises(SourceError, match=r"orders/2024/up/ \(a link to a folder that it lies in\)"):
        ingest(clean, home=home)
    (inside / "2024" / "up").unlink()
    result = ingest(clean, home=home)

    assert read_table(home, "orders", "order_id, _file") == [
        ("n1", "orders/2024/1.csv"),
        ("n2", "orders/more/2.csv"),
        ("n3", "orders/3.csv"),
    ]
    assert result["not_read"] == ["orders/latest/1.csv (the same file as orders/2024/1.csv)"]


def test_one_file_linked_into_two_partitions_is_read_for_each(inside, clean, tmp_path, home):
    blob = write(tmp_path / "blob.csv", "order_id,customer_id,total_amount\no1,anna,1\n")
    for day in ("2024-02-01", "2024-02-02"):
        (inside / f"ordered_at={day}").mkdir()
        (inside / f"ordered_at={day}" / "1.csv").symlink_to(blob)
    result = ingest(clean, home=home, max_rejected=1)

    assert (result["tables"]["orders"]["read"], result["not_read"]) == (2, [])


@pytest.mark.parametrize("name", ["orders.csv", "Orders.Parquet", "orders.snappy.parquet", "ORDERS"])
def test_a_folder_that_is_called_like_a_file_is_the_tables(inside, clean, home, name):
    write(inside / "part-0.csv", orders(1))
    write(inside / "_SUCCESS")
    inside.rename(clean / name)

    assert ingest(clean, home=home)["files"]["orders"] == 1
    assert read_table(home, "orders", "_file") == [(f"{name}/part-0.csv",)]


def test_a_linked_raw_folder_and_linked_tables(inside, clean, tmp_path, home):
    write(inside / "1.csv", orders(1))
    inside.rename(tmp_path / "far")
    (clean / "orders").symlink_to(tmp_path / "far")
    (tmp_path / "raw").symlink_to(clean)

    assert ingest(tmp_path / "raw", home=home)["tables"]["orders"]["accepted"] == 1


def test_what_cannot_be_opened_fails_by_name(inside, clean, home, monkeypatch):
    write(inside / "1.csv", orders(1))
    write(inside / "locked.csv", orders(2))
    (inside / "gone.csv").symlink_to("nowhere.csv")
    os.mkfifo(inside / "pipe.csv")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, *rest: "locked" not in str(path) and allowed(path, *rest))

    with pytest.raises(SourceError) as failure:
        ingest(clean, home=home)

    for said in [
        "orders/gone.csv (a broken link: nowhere.csv is not there)",
        "orders/locked.csv (no permission to read it)",
        "orders/pipe.csv (it is neither a file nor a folder)",
    ]:
        assert said in str(failure.value)


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("orders/_delta_log/00000000000000000000.json", "a Delta table"),
        ("orders/v2/part/_delta_log/00000000000000000000.json", "a Delta table"),
        ("_delta_log/00000000000000000000.json", "a Delta table"),
        ("orders/metadata/00001-abc.metadata.json", "an Iceberg table"),
        ("metadata/v1.metadata.json", "an Iceberg table"),
        ("orders/.hoodie/hoodie.properties", "a Hudi table"),
        ("orders/_spark_metadata/0", "the output of a Spark stream"),
        ("orders/delete_delta_0000002_0000002_0000/bucket_00000", "a Hive table with transactions"),
        ("orders/base_0000002/bucket_00000", "a Hive table with transactions"),
    ],
)
def test_a_table_with_a_log_is_refused(inside, clean, home, log, kind):
    write(inside / "1.csv", orders(1))
    write(clean / log)

    with pytest.raises(SourceError) as failure:
        ingest(clean, home=home)

    assert f"makes this {kind}" in str(failure.value)
    assert str(clean / Path(log).parts[0]) in str(failure.value)
    assert "write the rows as plain Parquet" in str(failure.value)


def test_the_page_names_every_ending_and_log():
    page = (Path(__file__).parents[3] / "docs" / "raw-data.md").read_text()

    for name in [".parquet", *CSV, ".jsonl", ".ndjson", ".json", *CHECKSUMS[:2], *LOG_FOLDERS, MISSING]:
        assert f"`{name}`" in page, name
