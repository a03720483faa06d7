"""The command: what it prints, and one sentence and a status for every mistake."""

import json

import duckdb
import pytest
from click.testing import CliRunner

from ml.cli.ingest import command
from ml.ingest import ingest
from tests.ml.ingest.worlds import CLEAN, write_folder


def run(home, *arguments):
    """Run ``churn ingest`` with a home of its own."""
    return CliRunner().invoke(command, [*map(str, arguments), "--home", str(home.root)])


def sentence(result):
    """What was said on standard error, on one line."""
    return result.stderr.strip()


def test_it_prints_counts_and_reasons(folder, home):
    orders = "order_id,customer_id,ordered_at,total_amount\no1,anna,2024-02-01,1\no2,nobody,2024-02-01,1\n"
    result = run(home, folder(orders=orders), "--max-rejected", "0.5")

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["table", "files", "read", "accepted", "rejected"] in lines
    assert ["orders", "1", "2", "1", "1"] in lines
    assert ["customers", "1", "2", "2", "0"] in lines
    assert lines[lines.index(["1", "orders:", "unknown", "customer"]) + 1] == [
        *("'nobody'", "in", "orders.csv", "row", "2")
    ]
    assert result.stdout.splitlines()[-1] == (
        "load-000001: accepted + rejected = read, data clock 2024-02-01T00:00:00Z"
    )


def test_it_prints_json(clean, home):
    result = run(home, clean, "--json")

    told = json.loads(result.stdout)
    assert told["tables"]["orders"] == {"read": 2, "accepted": 2, "rejected": 0}
    assert (told["files"], told["not_read"]) == ({"customers": 1, "orders": 1}, [])


def test_a_demo_is_loaded(home):
    result = run(home, "--demo", "shop", "--customers", "40", "--seed", "3", "--json")

    counts = json.loads(result.stdout)["tables"]
    assert counts["customers"]["accepted"] >= 40
    assert sum(table["rejected"] for table in counts.values()) == 0
    assert (home.root / "demo" / "shop" / "raw").is_dir()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either a PATH or --demo NAME"),
        (["somewhere", "--demo", "shop"], "give either a PATH or --demo NAME"),
        (["somewhere", "--seed", "1"], "--customers and --seed belong to --demo shop"),
        (["no/such/folder"], "no/such/folder does not exist"),
        (["ftp://host/raw"], "ftp:// is no source of raw tables"),
        (["{clean}", "--max-rejected", "1.5"], "--max-rejected is a share from 0 to 1, not 1.5"),
        (["{clean}", "--max-rejected", "nan"], "--max-rejected is a share from 0 to 1, not nan"),
        (["{clean}", "--timezone", "Mars/Phobos"], "there is no time zone 'Mars/Phobos'"),
        (["{clean}", "--timezone", "CST"], "there is no time zone 'CST': give UTC, a place such as"),
        (["{clean}/orders.csv"], "orders.csv is a file: give the folder it lies in"),
    ],
)
def test_bad_usage_ends_with_2(clean, home, arguments, said):
    result = run(home, *(argument.format(clean=clean) for argument in arguments))

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in sentence(result)
    assert "Traceback" not in sentence(result)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"customers": None}, "lacks the required table customers"),
        ({"customers": None, "orders": None}, "holds no raw table"),
        (
            {"orders": "order_id,customer_id,ordered_at\n"},
            "orders.csv lacks the required column total_amount",
        ),
        ({"orders": "order_id\no1\n"}, "lacks the required columns customer_id, ordered_at, total_amount"),
        ({"orders": ""}, "orders.csv is empty (0 bytes)"),
        ({"orders": CLEAN["orders"].splitlines()[0]}, "has no rows in the required table orders"),
        ({"orders": "order_id, Order_Id\n"}, "orders.csv has the column order_id more than once"),
        ({"orders": "\n\n" + CLEAN["orders"]}, "orders.csv begins with a blank line"),
        ({"orders": "\0\0"}, "orders.csv cannot be read: it is no UTF-8 text"),
    ],
)
def test_a_source_that_cannot_be_used_ends_with_1(tmp_path, home, tables, said):
    given = {name: text for name, text in {**CLEAN, **tables}.items() if text is not None}
    result = run(home, write_folder(tmp_path / "raw", given))

    assert (result.exit_code, result.stdout) == (1, "")
    assert said in sentence(result)
    assert len(sentence(result).splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("sessions.parquet", b"", "sessions.parquet is empty (0 bytes)"),
        ("sessions.parquet", b"plain text", "sessions.parquet cannot be read: it is no Parquet file"),
        ("sessions.parquet", b"PAR1 and then nothing", "sessions.parquet cannot be read"),
        ("sessions.csv.gz", b"plain text", "sessions.csv.gz cannot be read: it is no gzip file"),
        (
            "orders.parquet",
            b"PAR1",
            "holds the table orders more than once, as orders.csv and orders.parquet",
        ),
        (
            "sessions/_notes.txt",
            b"",
            "sessions holds no .parquet, .xlsx, .csv, .tsv or .jsonl (plain, .gz or .zst) file",
        ),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_1(clean, home, file, content, said):
    (clean / file).parent.mkdir(exist_ok=True)
    (clean / file).write_bytes(content)
    result = run(home, clean)

    assert (result.exit_code, result.stdout) == (1, "")
    assert said in sentence(result)
    assert len(sentence(result).splitlines()) == 1


def test_a_failure_names_the_reasons_and_keeps_what_was_there(clean, folder, home):
    ingest(clean, home=home)
    orders = "order_id,customer_id,ordered_at,total_amount\no1,nobody,2024-02-01,1\n"
    result = run(home, folder(orders=orders))

    assert result.exit_code == 1
    assert (
        "1 of 1 rows of orders (100.0%) break the contract, and no row holds: "
        "1 x orders: unknown customer ('nobody' in orders.csv row 1); nothing was loaded" in sentence(result)
    )
    assert home.current_load().name == "load-000001"


def test_a_home_in_use_is_said(clean, home):
    with home.writing("build"):
        result = run(home, clean)

    assert result.exit_code == 1
    assert "'churn build'" in sentence(result)


def test_a_misspelled_table_is_mentioned(clean, home):
    (clean / "ticket.csv").write_text("ticket_id\n")
    result = run(home, clean)

    assert result.exit_code == 0
    assert "not read: ticket.csv (perhaps the table support_tickets: name it so" in sentence(result)


def test_a_misspelt_column_is_told_and_others_are_not(folder, home):
    orders = "order_id,customer_id,ordered_at,total_amount,canceled_at,colour\no1,anna,2024-02-01,1,,red\n"
    result = run(home, folder(orders=orders))

    assert result.exit_code == 0
    assert sentence(result) == "orders.csv: the column canceled_at is not used: did you mean cancelled_at?"


def test_the_place_of_rejected_rows_is_told(folder, home):
    orders = CLEAN["orders"] + "o3,nobody,2024-02-01,1,\n"
    result = run(home, folder(orders=orders), "--max-rejected", "1")

    told = result.stdout.split("the rejected rows are in ")[1].splitlines()[0]
    rows = duckdb.sql(f"select row, reason from read_parquet('{told}')").fetchall()
    assert rows == [(3, "unknown customer")]


def test_the_first_and_last_instant_of_each_table_are_shown(folder, home):
    orders = CLEAN["orders"] + "o3,nobody,2019-02-01,1,\n"
    source = folder(orders=orders)
    lines = run(home, source, "--max-rejected", "0.5").stdout.splitlines()
    spans = json.loads(run(home, source, "--max-rejected", "0.5", "--json").stdout)["spans"]

    assert spans == {
        "customers": {
            "column": "registered_at",
            "first": "2024-01-01T00:00:00Z",
            "last": "2024-01-02T00:00:00Z",
        },
        "orders": {"column": "ordered_at", "first": "2024-02-01T10:00:00Z", "last": "2024-02-02T10:00:00Z"},
    }
    shown = [line.split() for line in lines]
    assert ["orders", "2024-02-01T10:00:00Z", "2024-02-02T10:00:00Z", "ordered_at"] in shown
