"""``churn features``: files in, files out, exit statuses."""

import json
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError, UsageError
from ml.common.row_files import read_rows, write_rows
from ml.features.point_in_time import features, features_table
from tests.builds import Model, publish_build

ORDERS = Model(
    "orders",
    {"orders": "BIGINT", "spend": "DECIMAL(18,4)"},
    [("a", "2024-01-01 00:00:00", 1, "5.5"), ("a", "2024-01-02 00:00:00.000001", 2, "7")],
    [{"name": "value", "formula": "spend / orders", "description": "Spend an order."}],
)
CSV = "note,customer_id,event_timestamp\n007,a,2024-01-02\n,b,2024-01-03\n007,a,2024-01-03T00:00:00+01:00\n"
ANSWER = (
    "note,customer_id,event_timestamp,orders,spend,value\n"
    "007,a,2024-01-02,1,5.5000,5.5\n,b,2024-01-03,,,\n007,a,2024-01-03T00:00:00+01:00,2,7.0000,3.5\n"
)


@pytest.fixture
def home(tmp_path):
    publish_build(tmp_path, ORDERS)
    return tmp_path


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "asked.csv").write_text(CSV)
    return tmp_path / "asked.csv"


def run(home, *arguments):
    return CliRunner().invoke(main, ["features", "--home", str(home), *map(str, arguments)])


def test_from_csv_to_csv(home, asked):
    result = features(asked, home / "answer.csv", home=home)
    assert result == {
        "rows_asked": 3,
        "rows_answered": 3,
        "features": 3,
        "build_id": "build-000001",
        "out": str(home / "answer.csv"),
    }
    assert (home / "answer.csv").read_text() == ANSWER


def test_the_asked_file_can_be_replaced(home, asked):
    features(asked, asked, home=home, names=["value"])
    assert asked.read_text().splitlines()[1] == "007,a,2024-01-02,5.5"


def test_every_pair_of_formats_gives_the_same(home, asked):
    first = read_rows(asked).read_all()
    for ending in ("parquet", "csv", "jsonl"):
        write_rows(first, home / f"rows.{ending}")
        features(home / f"rows.{ending}", home / f"from-{ending}.parquet", home=home)
    tables = [read_rows(home / f"from-{ending}.parquet").read_all() for ending in ("parquet", "csv", "jsonl")]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_a_table_for_a_notebook(home, asked):
    rows = pd.DataFrame(
        {"customer_id": ["a", "b"], "event_timestamp": [datetime(2024, 1, 5)] * 2}, index=[5, 3]
    )
    expected = {"orders": [2, None], "value": [3.5, None]}
    for form in (rows, pa.Table.from_pandas(rows, preserve_index=False)):
        answer = features_table(form, home=home, names=["orders", "value"])
        assert answer.column_names == ["customer_id", "event_timestamp", "orders", "value"]
        assert answer.select(list(expected)).to_pydict() == expected
    assert features_table(asked, home=home)["orders"].to_pylist() == [1, None, 2]


def test_command(home, asked):
    done = run(home, "--rows", asked, "--out", home / "out.jsonl")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"3 of 3 rows answered with 3 features from build-000001: {home / 'out.jsonl'}\n"
    as_json = run(home, "--rows", asked, "--out", home / "out.csv", "--json", "--feature", "orders")
    assert json.loads(as_json.stdout)["features"] == 1
    assert run(home, "--rows", asked, "--out", home / "out.csv", "--quiet").output == ""


def test_standard_output_holds_rows_alone(home, asked):
    done = run(home, "--rows", asked, "--out", "-")
    assert done.stdout == ANSWER
    assert done.stderr == "3 of 3 rows answered with 3 features from build-000001\n"
    lines = run(home, "--rows", asked, "--out", "-", "--json", "--feature", "orders").stdout.splitlines()
    assert [json.loads(line)["orders"] for line in lines] == [1, None, 2]


@pytest.mark.parametrize(
    ("content", "out", "options", "sentence"),
    [
        ("a,b\n1,2\n", "out.csv", (), "the entity rows have no column customer_id"),
        ("customer_id\na\n", "out.csv", (), "the entity rows have no column event_timestamp"),
        (
            "customer_id,event_timestamp\na,2024-01-01\na,soon\n",
            "out.csv",
            (),
            "event_timestamp 'soon' in row 2",
        ),
        ("customer_id,event_timestamp\n,2024-01-01\n", "out.csv", (), "customer_id is null in row 1"),
        (
            "customer_id,event_timestamp,value\na,2024-01-01,1\n",
            "out.csv",
            (),
            "column value, which is a feature",
        ),
        ("customer_id,event_timestamp\na,2024-01-01,1\n", "out.csv", (), "cannot be read as CSV"),
        (CSV, "out.txt", (), "unknown ending"),
        (CSV, "nowhere/out.csv", (), "there is no folder"),
        (CSV, "out.csv", ("--feature", "order"), "did you mean orders?"),
        (None, "out.csv", (), "there is no file"),
    ],
)
def test_bad_usage_is_status_2_and_one_sentence(home, content, out, options, sentence):
    if content is not None:
        (home / "rows.csv").write_text(content)
    done = run(home, "--rows", home / "rows.csv", "--out", home / out, *options)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stderr.startswith("churn: ")
    assert done.stderr.count("\n") == 1
    assert not (home / out).exists()


def test_no_build_yet_is_status_1(tmp_path, asked):
    done = run(tmp_path / "empty", "--rows", asked, "--out", tmp_path / "out.csv")
    assert (done.exit_code, done.stderr) == (
        1,
        "churn: no raw data yet, and nothing built: run 'churn ingest PATH', then 'churn build'\n",
    )
    with pytest.raises(NotReadyError):
        features_table(asked, home=tmp_path / "empty")


def test_a_frame_of_mixed_values_is_refused(home):
    rows = pd.DataFrame({"customer_id": ["a", 1], "event_timestamp": ["2024-01-01"] * 2})
    with pytest.raises(UsageError, match="column customer_id"):
        features_table(rows, home=home)


def test_errors_of_the_table_are_the_command_lines(home):
    with pytest.raises(UsageError, match="event_timestamp is null in row 1"):
        features_table(pa.table({"customer_id": ["a"], "event_timestamp": pa.nulls(1)}), home=home)
