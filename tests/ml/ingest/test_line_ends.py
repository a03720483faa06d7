"""CSV files whose rows end in several ways, and what quotes keep."""

import gzip
import random

import pytest

from ml.common.errors import SourceError
from ml.ingest import ingest
from tests.ml.ingest.worlds import read_rejected, read_table

HEADER = "customer_id,registered_at,note"


def customers(home):
    return read_table(home, "customers", "customer_id, note")


@pytest.mark.parametrize("seed", range(6))
def test_rows_may_end_in_several_ways(folder, home, seed):
    drawn = random.Random(seed)
    notes = {f"C{number:02}": drawn.choice(["plain", '"two\r\nlines"', '"a ""b"""']) for number in range(30)}
    text = HEADER
    for name, note in notes.items():
        text += drawn.choice(["\n", "\r\n"]) + f"{name},2024-01-01,{note}"
    path = folder(orders="order_id,customer_id,ordered_at,total_amount\nO1,C01,2024-02-01,1\n")
    (path / "customers.csv").write_bytes(text.encode())

    ingest(path, home=home)

    meant = {"plain": "plain", '"two\r\nlines"': "two\r\nlines", '"a ""b"""': 'a "b"'}
    assert customers(home) == [(name, meant[note]) for name, note in notes.items()]
    assert read_rejected(home) == set()


def test_also_when_packed_and_with_a_broken_line(folder, home):
    path = folder(orders="order_id,customer_id,ordered_at,total_amount\nO1,C1,2024-02-01,1\n")
    (path / "customers.csv").unlink()
    rows = [HEADER + "\r\n", "C1,2024-01-01,x\n", "C2,2024-01-02,y,z,too many\r\n", "C3,2024-01-03,w\r\n"]
    (path / "customers.csv.gz").write_bytes(gzip.compress("".join(rows).encode()))

    ingest(path, home=home, max_rejected=1)

    assert customers(home) == [("C1", "x"), ("C3", "w")]
    assert {row[:2] for row in read_rejected(home)} == {("customers", 2)}


def test_a_stray_carriage_return_is_named_by_its_line(folder, home):
    path = folder()
    (path / "customers.csv").write_bytes(f"{HEADER}\nC1,2024-01-01,x\nC2,2024-01-01,left\rright\n".encode())

    with pytest.raises(
        SourceError, match=r"^customers.csv has a carriage return in the middle of line 3: put"
    ):
        ingest(path, home=home)


def test_files_of_one_kind_are_read_as_they_are(folder, home):
    for number, end in enumerate(["\n", "\r\n", "\r"]):
        path = folder(orders="order_id,customer_id,ordered_at,total_amount\nO1,C1,2024-02-01,1\n")
        rows = [HEADER, 'C1,2024-01-01,"a\nb\r\nc"', "C2,2024-01-01,"]
        (path / "customers.csv").write_bytes(end.join([*rows, ""]).encode())

        ingest(path, home=home)

        assert customers(home) == [("C1", "a\nb\r\nc"), ("C2", None)], number


def test_a_quote_inside_a_value_opens_nothing(folder, home):
    path = folder(orders="order_id,customer_id,ordered_at,total_amount\nO1,C1,2024-02-01,1\n")
    notes = ["x", '6" screen', '"two\nlines"', "y"]
    rows = [HEADER, *(f"C{number},2024-01-01,{note}" for number, note in enumerate(notes))]
    (path / "customers.csv").write_bytes("\r\n".join(rows).encode())

    ingest(path, home=home)

    assert [note for _, note in customers(home)] == ["x", '6" screen', "two\nlines", "y"]
