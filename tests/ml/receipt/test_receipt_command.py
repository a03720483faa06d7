"""``churn receipt``: what people read, exit statuses, and what a changed file does to a receipt."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.home.layout import Home

LATE = """\
orders_30d of late at 2023-01-13T00:00:00Z: 2
Kept orders placed in the last 30 days.

Rows that make it:
                                                                                         Counts until
  File and row      What           Occurred                     Known                    30 days since ordered  Amount
  orders.parquet 1  order late-o1  ordered 2023-01-11 00:00:00  2023-01-13 00:00:00 +2d  2023-02-10 00:00:00         1
  orders.parquet 2  order late-o2  ordered 2023-01-12 00:00:00  2023-01-12 00:00:00      2023-02-11 00:00:00         1
                    total                                                                                            2

holds since  2023-01-13T00:00:00Z  order late-o1: known
exact until  2023-02-10T00:00:00Z  order late-o1: 30 days since ordered
build-000001 says 2, and so do the rows of load-000001: they match.
"""  # noqa: E501


def run(home: Path, *arguments: str, width: int = 140) -> Result:
    words = ["receipt", "--home", str(home), *arguments]
    return CliRunner().invoke(main, words, env={"COLUMNS": str(width)})


@pytest.fixture
def home(hand: Path, tmp_path: Path) -> Path:
    """A home of one's own, to change files in."""
    return shutil.copytree(hand, tmp_path / "home", symlinks=True)


def change(folder: Path, sql: str) -> None:
    """Write every Parquet file of ``folder`` anew, as ``sql`` makes it of its rows."""
    for file in folder.glob("*.parquet"):
        with duckdb.connect() as connection:
            connection.execute(f"create table rows as from read_parquet('{file}')")
            file.unlink()  # another file may be the same one, linked
            connection.execute(f"copy ({sql}) to '{file}' (format parquet)")


def test_a_receipt_as_printed(hand: Path) -> None:
    done = run(hand, "late", "orders_30d", "--as-of", "2023-01-13T00:00:00Z")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [line.split() for line in LATE.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ("corrected", "spend_90d", "--as-of", "2023-01-21"),
            [
                "spend_90d of corrected at 2023-01-21T00:00:00Z: 8.00",
                "orders.parquet 6 order corrected-o1 version 2",
                "orders.parquet 4 order corrected-o1",
                "replaced by version 2",
                "and 1 copy",
            ],
        ),
        (
            ("asking", "resolution_seconds_90d", "--as-of", "2023-01-16"),
            [
                "opened 2023-01-11 00:00:00",
                "resolved 2023-01-12 02:00:00",
                "2023-01-16 00:00:00 +5d",
                "2023-04-12 02:00:00 93,600",
                "90 days since resolved",
                "not one of the resolved tickets",
            ],
        ),
        (
            ("buying", "categories_lifetime", "--as-of", "2023-01-21"),
            ["order_items.parquet 4 category books", "orders.parquet 11 in order buying-o2"],
        ),
        (
            ("buying", "items_90d", "--as-of", "2023-01-21"),
            ["order_items.parquet 1 of which line 1 (toys) (2)"],
        ),
        (
            ("buying", "average_order_value_30d", "--as-of", "2023-01-21"),
            [
                "average_order_value_30d = spend_30d / orders_30d",
                "= 40.00 / 2",
                "= 20",
                "spend_30d: 40.00",
                "orders_30d: 2",
            ],
        ),
        (
            ("recent", "days_since_last_order"),
            ["The value moves with the as-of instant", "exact until 2024-05-15T00:00:00Z data clock:"],
        ),
        (
            ("late", "orders_30d", "--as-of", "2022-12-31"),
            [
                "orders_30d of late at 2022-12-31T00:00:00Z: null",
                "Nothing about late was known before 2023-01-01",
            ],
        ),
        (("-5", "orders_30d"), ["orders_30d of -5 at 2024-05-15T00:00:00Z: 0", "No row makes it."]),
    ],
)
def test_what_people_read(hand: Path, arguments: tuple[str, ...], lines: list[str]) -> None:
    done = run(hand, *arguments)
    assert done.exit_code == 0
    printed = "\n".join(" ".join(line.split()) for line in done.stdout.splitlines())
    for line in lines:
        assert line in printed


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_it_fits_the_width(hand: Path, width: int) -> None:
    printed = run(hand, "buying", "average_order_value_30d", "--as-of", "2023-01-21", width=width).stdout
    assert max(map(len, printed.splitlines())) <= max(
        width, len("average_order_value_30d of buying at 2023-01-21T00:00:00Z: 20")
    )
    assert "40.00" in printed


def test_json_is_one_document(hand: Path) -> None:
    done = run(hand, "late", "spend_30d", "--as-of", "2023-01-13", "--json")
    found = json.loads(done.stdout)
    assert (found["published"], found["recomputed"], found["as_of"]) == (
        "20.0000",
        "20.0000",
        "2023-01-13T00:00:00Z",
    )
    assert [(row["file"], row["row"], row["known_at"], row["amount"]) for row in found["rows"]] == [
        ("orders.parquet", 1, "2023-01-13T00:00:00Z", "10.0000"),
        ("orders.parquet", 2, "2023-01-12T00:00:00Z", "10.0000"),
    ]
    assert "email" not in json.loads(run(hand, "moving", "city", "--json").stdout)["rows"][0]["raw"]


def test_quiet_says_nothing(hand: Path) -> None:
    assert run(hand, "late", "orders_30d", "--quiet").output == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("lat", "orders_30d"), "there is no customer 'lat': did you mean late?"),
        (("-77", "orders_30d"), "there is no customer '-77'"),
        (("late", "order_30d"), "there is no feature order_30d: did you mean orders_30d?"),
        (
            ("late", "orders_30d", "--as-of", "2024-05-15T00:00:00.000001Z"),
            "is after the data clock of build-000001",
        ),
        (("late", "orders_30d", "--asof", "2024-05-15"), "No such option '--asof'"),
        (("late",), "Missing argument 'FEATURE'"),
    ],
)
def test_bad_usage_is_status_2_and_one_sentence(
    hand: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run(hand, *arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr


def test_a_changed_build_is_a_mismatch(home: Path) -> None:
    folder = Home.at(home).current_build() / "features" / "feat_customer_orders"
    change(
        folder,
        "select * replace (case customer_id when 'late' then 5 else orders_30d end as orders_30d) from rows",
    )
    done = run(home, "late", "orders_30d", "--as-of", "2023-01-13")
    assert done.exit_code == 1
    assert "MISMATCH" in done.stdout
    assert (
        "build-000001 says 5 for orders_30d of late, but the raw rows of load-000001 come to 2" in done.stderr
    )
    as_json = run(home, "late", "orders_30d", "--as-of", "2023-01-13", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)["matches"]) == (1, False)
    ratio = run(home, "late", "average_order_value_30d", "--as-of", "2023-01-13", "--quiet")
    assert (ratio.exit_code, ratio.stdout) == (1, "")
    assert "says 5 for orders_30d" in ratio.stderr
    assert run(home, "corrected", "orders_30d", "--as-of", "2023-01-13").exit_code == 0


def test_changed_raw_rows_are_a_mismatch(home: Path) -> None:
    change(
        Home.at(home).current_load() / "orders",
        "select * replace (total_amount + 1 as total_amount) from rows",
    )
    done = run(home, "late", "spend_lifetime")
    assert done.exit_code == 1
    assert (
        "says 30.0000 for spend_lifetime of late, but the raw rows of load-000001 come to 33.0000"
        in done.stderr
    )


def test_a_load_that_is_gone_says_what_to_do(home: Path) -> None:
    shutil.rmtree(home / "raw")
    done = run(home, "late", "orders_30d")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "load-000001, are no longer in" in done.stderr
    assert "run 'churn build'" in done.stderr


def test_unreadable_raw_rows_are_one_sentence(home: Path) -> None:
    (file,) = (Home.at(home).current_load() / "sessions").glob("*.parquet")
    file.unlink()
    file.write_text("no rows")
    done = run(home, "late", "orders_30d")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert f"the raw rows in {file.parent} cannot be read" in done.stderr


def test_a_build_that_lists_no_contributions_is_one_sentence(home: Path) -> None:
    manifest = Home.at(home).current_build() / "manifest.json"
    manifest.write_text(manifest.read_text().replace("/* contributions", "/* parts"))
    done = run(home, "late", "orders_30d")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "does not say which facts make orders_30d" in done.stderr


def test_without_a_build_it_is_status_1(tmp_path: Path) -> None:
    done = run(tmp_path, "late", "orders_30d")
    assert (done.exit_code, done.stderr) == (
        1,
        "churn: no raw data yet, and nothing built: run 'churn ingest PATH', then 'churn build'\n",
    )
