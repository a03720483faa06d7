"""A CSV line with a wrong quote costs itself and no other row."""

import gzip
import random

import pytest

from ml.ingest import ingest
from tests.ml.ingest.worlds import read_rejected, read_table

HEADER = "customer_id,registered_at,city"
ORDERS = "order_id,customer_id,ordered_at,total_amount\no1,c0,2024-02-01,1\n"

# What may stand as a city: as written, and as it is read; None where the line is broken.
GOOD = {
    "Rome": "Rome",
    '"New\nYork"': "New\nYork",
    '"a ""b"", c"': 'a "b", c',
    '""': None,
    '"x" ': "x",
    ' "y"': "y",
    '6" screen': '6" screen',
    '"a\n\n2,2024-01-01,Nice\n"': "a\n\n2,2024-01-01,Nice\n",
}
BROKEN = {
    '"a\\"b"': "quote escaped by a backslash",
    '"a"b': "text after a closing quote",
    '"open': "unclosed quote",
    "one,two": "too many columns",
}


def test_rows_of_several_lines_stay_beside_a_broken_line(folder, home):
    cities = ['"New\nYork"', "Rome", '"Los\nAngeles"', '"a\\"b"', "Oslo"]
    customers = "".join(f"c{number},2024-01-01,{city}\n" for number, city in enumerate(cities))
    result = ingest(folder(customers=f"{HEADER}\n{customers}", orders=ORDERS), home=home, max_rejected=1)

    assert read_rejected(home) == {("customers", 4, "broken CSV line: quote escaped by a backslash")}
    assert read_table(home, "customers", "customer_id, city, _row") == [
        ("c0", "New\nYork", 1),
        ("c1", "Rome", 2),
        ("c2", "Los\nAngeles", 3),
        ("c4", "Oslo", 5),
    ]
    assert result["tables"]["customers"] == {"read": 5, "accepted": 4, "rejected": 1}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("packed", [False, True])
def test_any_line_ends_delimiters_and_packing(folder, home, end, delimiter, packed):
    values = ["Rome", '"open', '"two\nlines"', "x"]
    rows = [HEADER, *(f"c{number},2024-01-01,{value}" for number, value in enumerate(values))]
    text = end.join([*rows, ""]).replace(",", delimiter).encode()
    path = folder(orders=ORDERS)
    (path / "customers.csv").unlink()
    name, content = ("customers.csv.gz", gzip.compress(text)) if packed else ("customers.csv", text)
    (path / name).write_bytes(content)
    ingest(path, home=home, max_rejected=1)

    assert read_rejected(home) == {("customers", 2, "broken CSV line: unclosed quote")}
    assert read_table(home, "customers", "city, _row") == [("Rome", 1), ("two\nlines", 3), ("x", 4)]
    line = read_table(home, "rejected_rows", "content ->> 'line'")
    assert line == [(f'c1{delimiter}2024-01-01{delimiter}"open',)]


@pytest.mark.parametrize("seed", range(8))
def test_good_and_broken_lines_in_any_order(folder, home, seed):
    drawn = random.Random(seed)
    cities = ["Rome", *(drawn.choice([*GOOD] * 3 + [*BROKEN]) for _ in range(60))]
    lines = [f"c{number},2024-01-01,{city}" for number, city in enumerate(cities)]
    ingest(folder(customers="\n".join([HEADER, *lines]), orders=ORDERS), home=home, max_rejected=1)

    numbered = list(enumerate(cities, 1))
    assert {row[1:] for row in read_rejected(home) if row[0] == "customers"} == {
        (number, f"broken CSV line: {BROKEN[city]}") for number, city in numbered if city in BROKEN
    }
    assert {(row, city) for city, row in read_table(home, "customers", "city, _row")} == {
        (number, GOOD[city]) for number, city in numbered if city in GOOD
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ['"open', "one,two"])
def test_blank_lines_are_no_rows(folder, home, end, last):
    rows = [HEADER, "", "c0,2024-01-01,Rome", "", "", "c1,2024-01-01,one,two", "", 'c2,2024-01-01,"two']
    rows += [
        "",
        'lines"',
        "",
        "",
        "c3,2024-01-01,Oslo",
        f"c4,2024-01-01,{last}",
        "",
        "c5,2024-01-01,x",
        "",
        "",
    ]
    path = folder(orders=ORDERS)
    (path / "customers.csv").write_bytes(end.join(rows).encode())
    ingest(path, home=home, max_rejected=1)

    assert {row for table, row, _ in read_rejected(home) if table == "customers"} == {2, 5}
    assert read_table(home, "customers", "city, _row") == [
        *(("Oslo", 4), ("Rome", 1), (f"two{end}{end}lines", 3), ("x", 6))
    ]


def test_a_broken_line_in_one_of_many_files(clean, home):
    (clean / "customers.csv").unlink()
    (clean / "orders.csv").write_text(ORDERS.replace("c0", "c00"))
    (clean / "customers").mkdir()
    for number in range(6):
        rows = [f"c{number}{row},2024-01-01,Rome" for row in range(4)]
        if number in (1, 4):
            rows[number // 2] = f'c{number}x,2024-01-01,"open'
        if number in (2, 4):
            rows.insert(1, f"c{number}y,2024-01-01,one,two")
        (clean / "customers" / f"{number}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    ingest(clean, home=home, max_rejected=1)

    rejected = read_table(home, "rejected_rows", "file, row, reason")
    assert [row for row in rejected if row[0].startswith("customers/")] == [
        ("customers/1.csv", 1, "broken CSV line: unclosed quote"),
        ("customers/2.csv", 2, "broken CSV line: too many columns"),
        ("customers/4.csv", 2, "broken CSV line: too many columns"),
        ("customers/4.csv", 4, "broken CSV line: unclosed quote"),
    ]
    rows = read_table(home, "customers", "_file, _row, customer_id")
    assert [row[1:] for row in rows if row[0] == "customers/4.csv"] == [(1, "c40"), (3, "c41"), (5, "c43")]
    assert [row[1:] for row in rows if row[0] == "customers/2.csv"] == [
        *((1, "c20"), (3, "c21"), (4, "c22"), (5, "c23"))
    ]
    assert len(rows) == 22
