"""Rows from and to files: what is read is what stands there, what is written can be read back."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from ml.common.errors import UsageError
from ml.common.row_files import read_rows, write_rows

TABLE = pa.table(
    {
        "customer_id": ["007", "b, c", 'say "d"', "", None],
        "amount": pa.array(
            [Decimal("1.5000"), Decimal("-0.0001"), None, Decimal(0), Decimal(7)], pa.decimal128(18, 4)
        ),
        "at": pa.array(
            [datetime(2024, 1, 2, 3, 4, 5, 6), None, datetime(2024, 1, 2), None, None], pa.timestamp("us")
        ),
        "day": pa.array([date(2024, 2, 29), None, None, None, None]),
        "ratio": [0.1, None, 1 / 3, -1e-300, 2.0],
        "flag": [True, False, None, None, None],
    }
)


@pytest.mark.parametrize("stream", [False, True])
def test_parquet_keeps_everything(tmp_path, stream):
    path = tmp_path / "rows.parquet"
    write_rows(TABLE.to_reader(max_chunksize=2) if stream else TABLE, path)
    assert read_rows(path).read_all().equals(TABLE)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]


def test_csv_as_written(tmp_path):
    write_rows(TABLE, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text() == (
        "customer_id,amount,at,day,ratio,flag\n"
        "007,1.5000,2024-01-02 03:04:05.000006,2024-02-29,0.1,true\n"
        '"b, c",-0.0001,,,,false\n'
        '"say ""d""",,2024-01-02 00:00:00,,0.3333333333333333,\n'
        '"",0.0000,,,-1e-300,\n'
        ",7.0000,,,2.0,\n"
    )
    assert (
        read_rows(tmp_path / "rows.csv").read_all()["customer_id"].to_pylist()
        == TABLE["customer_id"].to_pylist()
    )


def test_json_lines_as_written(tmp_path):
    table = pa.table({"a": ["007", None], "n": [1, 2], "x": [0.5, float("nan")], "l": [["y"], []]})
    write_rows(table, tmp_path / "rows.jsonl")
    assert (tmp_path / "rows.jsonl").read_text() == (
        '{"a":"007","n":1,"x":0.5,"l":["y"]}\n{"a":null,"n":2,"x":null,"l":[]}\n'
    )
    expected = [{"a": "007", "n": 1, "x": 0.5, "l": ["y"]}, {"a": None, "n": 2, "x": None, "l": []}]
    assert read_rows(tmp_path / "rows.jsonl").read_all().to_pylist() == expected


def test_instants_with_a_zone_are_written_in_utc(tmp_path):
    at = pa.array([datetime(2024, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", "Europe/Paris"))
    write_rows(pa.table({"at": at}), tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text() == "at\n2024-07-01 12:00:00+00\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\xef\xbb\xbfa,b\r\n007,""\r\n,x\r\n', [{"a": "007", "b": ""}, {"a": None, "b": "x"}]),
        (b"a;b\n1,5;2024-01-01\n", [{"a": "1,5", "b": "2024-01-01"}]),
        (b'a\tb\n"x\ny"\t z \n', [{"a": "x\ny", "b": " z "}]),
        (b'"a, b",c\n#1,\\\n', [{"a, b": "#1", "c": "\\"}]),
        (b"a,b\n", []),
        (b"a,b\n1.0,NULL\n", [{"a": "1.0", "b": "NULL"}]),
    ],
)
def test_csv_values_stay_as_they_stand(tmp_path, content, expected):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert read_rows(path).read_all().to_pylist() == expected


def test_csv_columns_of_one_name_are_both_there(tmp_path):
    (tmp_path / "rows.csv").write_text("a,a\n1,2\n")
    assert [column.to_pylist() for column in read_rows(tmp_path / "rows.csv").read_all().columns] == [
        ["1"],
        ["2"],
    ]


@pytest.mark.parametrize("ending", ["json", "jsonl", "ndjson", "JSONL"])
def test_json_text_stays_text(tmp_path, ending):
    path = tmp_path / f"rows.{ending}"
    path.write_text(
        '{"customer_id": 7, "at": "2024-01-01T00:00:00Z", "day": "2024-02-01", "o": {"at": "12:00"}, '
        '"m": 1}\n'
        '{"customer_id": 8, "day": null, "m": "x"}\n'
    )
    assert read_rows(path).read_all().to_pylist() == [
        {
            "customer_id": 7,
            "at": "2024-01-01T00:00:00Z",
            "day": "2024-02-01",
            "o": {"at": "12:00"},
            "m": "1",
        },
        {"customer_id": 8, "at": None, "day": None, "o": None, "m": "x"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("rows.txt", b"", r"'.*rows.txt' has an unknown ending: use one of .parquet, .csv"),
        ("rows.csv", None, "there is no file .*rows.csv"),
        ("rows.csv", b"", "has no header"),
        ("rows.csv", b"a,b\n1,2\n1,2,3\n", "cannot be read as CSV: CSV Error on Line: 3"),
        ("rows.csv", b"a,b\n1\n", "cannot be read as CSV: CSV Error on Line: 2"),
        ("rows.csv", b"a,b\n1,\xff\n", "cannot be read as CSV"),
        ("rows.parquet", b"a,b\n", "cannot be read as Parquet"),
        ("rows.jsonl", b'{"a": 1}\n{"a":}\n', "cannot be read as JSON lines: Malformed JSON"),
        ("rows.jsonl", b"", "holds no JSON objects"),
        ("rows.jsonl", b"1\n2\n", "holds no JSON objects"),
    ],
)
def test_broken_files(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=sentence):
        read_rows(tmp_path / name).read_all()


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl"])
def test_what_fails_half_way_leaves_the_old_file(tmp_path, name):
    def broken():
        yield from TABLE.to_batches()
        raise UsageError("no more")

    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(UsageError, match=r"^no more$"):
        write_rows(pa.RecordBatchReader.from_batches(TABLE.schema, broken()), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        write_rows(TABLE, tmp_path / "nowhere" / "rows.csv")
    with pytest.raises(UsageError, match="unknown ending"):
        write_rows(TABLE, tmp_path / "rows.xlsx")


def test_standard_output(capfdbinary):
    small = pa.table({"a": [1, None], "b": ["x", ""]})
    write_rows(small, "-")
    assert capfdbinary.readouterr().out == b'a,b\n1,x\n,""\n'
    write_rows(small, "-", json_lines=True)
    assert capfdbinary.readouterr().out == b'{"a":1,"b":"x"}\n{"a":null,"b":""}\n'
