"""Words for a missing value: what is read as missing in which column, what stays text, what is said."""

import pytest
from click.testing import CliRunner

from ml.cli.ingest import command
from ml.ingest import ingest
from ml.ingest.missing_values import note_of
from tests.ml.ingest.worlds import read_rejected, read_table, write_folder

MARKERS = [
    "NULL",
    "null",
    "Null",
    r"\N",
    "NA",
    "n/a",
    "N/A",
    "#N/A",
    "NaN",
    "nan",
    "None",
    "nil",
    "<NA>",
    "NaT",
    " NULL ",
]


@pytest.mark.parametrize("marker", MARKERS)
def test_in_columns_of_instants_numbers_and_flags_each_is_missing(tmp_path, home, marker):
    tables = {
        "customers": "customer_id,registered_at,birth_date,email_verified\n"
        f"anna,2024-01-01,{marker},{marker}\n",
        "orders": "order_id,customer_id,ordered_at,total_amount,discount_amount,cancelled_at\n"
        f"o1,anna,2024-02-01,1,{marker},{marker}\n",
        "support_tickets": "ticket_id,customer_id,opened_at,satisfaction_score\n"
        f"t1,anna,2024-02-01,{marker}\n",
        "sessions": f"session_id,customer_id,started_at,page_views\ns1,anna,2024-02-01,{marker}\n",
    }
    result = ingest(write_folder(tmp_path / "raw", tables), home=home)

    assert read_table(home, "customers", "birth_date, email_verified") == [(None, None)]
    assert read_table(home, "orders", "discount_amount, cancelled_at") == [(None, None)]
    assert read_table(home, "support_tickets", "satisfaction_score") == [(None,)]
    assert read_table(home, "sessions", "page_views") == [(None,)]
    assert [(each["table"], each["column"], each["rows"], each["read_as"]) for each in result["markers"]] == [
        ("customers", "birth_date", 1, "missing"),
        ("customers", "email_verified", 1, "missing"),
        ("orders", "discount_amount", 1, "missing"),
        ("orders", "cancelled_at", 1, "missing"),
        ("support_tickets", "satisfaction_score", 1, "missing"),
        ("sessions", "page_views", 1, "missing"),
    ]


def test_in_text_only_what_cannot_be_a_value_is_missing(folder, home):
    cities = ["NULL", "null", r"\N", "<NA>", "NA", "None", "Null", "nan", "N/A", "Bonn"]
    rows = "".join(f"c{number},2024-01-01,{city}\n" for number, city in enumerate(cities))
    result = ingest(
        folder(customers="customer_id,registered_at,city\n" + rows, orders=ORDERS.format("c0")), home=home
    )

    kept = [city for _, city in read_table(home, "customers", "customer_id, city")]
    assert kept == [None, None, None, None, "NA", "None", "Null", "nan", "N/A", "Bonn"]
    assert {each["text"]: each["read_as"] for each in result["markers"]} == {
        **dict.fromkeys(cities[:4], "missing"),
        **dict.fromkeys(cities[4:-1], "text"),
    }


ORDERS = "order_id,customer_id,ordered_at,total_amount\no1,{},2024-02-01,1\n"


@pytest.mark.parametrize("marker", ["NULL", r"\N"])
def test_a_key_or_required_value_that_is_a_marker_is_missing(folder, home, marker):
    lines = [
        f"o1,{marker},2024-02-01,1",
        f"o2,anna,{marker},1",
        f"o3,anna,2024-02-01,{marker}",
        "o4,anna,2024-02-01,1",
    ]
    orders = "\n".join(["order_id,customer_id,ordered_at,total_amount", *lines])
    result = ingest(folder(orders=orders), home=home, max_rejected=1)

    reasons = ["customer_id is missing", "ordered_at is missing", "total_amount is missing"]
    assert read_rejected(home) == {("orders", row, reason) for row, reason in enumerate(reasons, 1)}
    assert [(each["text"], each["row"]) for each in result["examples"]] == [
        (marker, 1),
        (marker, 2),
        (marker, 3),
    ]


def test_every_marker_is_counted_and_told(folder, home):
    customers = "customer_id,registered_at,country,birth_date\n" + "".join(
        f"c{number},2024-01-01,{'NA' if number < 3 else 'DE'},{'NULL' if number < 2 else ''}\n"
        for number in range(5)
    )
    source = folder(customers=customers, orders=ORDERS.format("c0"))
    result = CliRunner().invoke(command, [str(source), "--home", str(home.root)])

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "'NULL' read as missing in 2 rows of customers.birth_date" in lines
    assert [line.partition(": ")[0] for line in lines if line.startswith("'NA'")] == [
        "'NA' kept as text in 3 rows of customers.country"
    ]


def test_a_backslash_is_shown_once():
    marker = {"table": "orders", "column": "cancelled_at", "text": r"\N", "rows": 1, "read_as": "missing"}
    assert note_of(marker) == r"'\N' read as missing in 1 row of orders.cancelled_at"
