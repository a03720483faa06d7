"""Exports as shops and desks make them, mapped by a guess and then ingested: the rows that come out."""

import re
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import SourceError, UsageError
from ml.config.project import write_project
from ml.home.layout import Home
from ml.ingest import declaration, ingest
from ml.mapping import map_exports
from tests.ml.ingest.worlds import read_table

SHOP = """Name,Email,Financial Status,Created at,Updated at,Total,\
Lineitem sku,Lineitem quantity,Lineitem price,Vendor
#1001,a@x.example,paid,2024-01-05 10:00:00 -0500,2024-01-05 11:00:00 -0500,25.00,T-1,2,10.00,Leaf
#1001,a@x.example,,2024-01-05 10:00:00 -0500,,,C-1,1,5.00,Clay
#1002,b@x.example,refunded,2024-02-05 10:00:00 -0500,2024-02-20 10:00:00 -0500,5.00,C-1,1,5.00,Clay
#1003,b@x.example,voided,2024-03-05 10:00:00 -0500,2024-03-06 10:00:00 -0500,7.50,P-1,1,7.50,Clay
"""
DESK = """{"tickets": [
{"id": 7, "requester": {"id": "a@x.example"}, "created_at": "2024-01-10T09:00:00Z",
 "updated_at": "2024-01-11T09:00:00Z", "status": "solved", "via": {"channel": "email"},
 "satisfaction_rating": {"score": 4}},
{"id": 8, "requester": {"id": "b@x.example"}, "created_at": "2024-02-10T09:00:00Z",
 "updated_at": "2024-02-11T09:00:00Z", "status": "open", "via": {"channel": "web"},
 "satisfaction_rating": {"score": null}}], "next_page": null}
"""
PEOPLE = """Customer ID;Signup date;City;Total spent
a@x.example;05.01.2023;Köln;1.250,00 €
b@x.example;13.02.2023;Bonn;5,00 €
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "orders_export.csv").write_text(SHOP)
    (folder / "tickets.json").write_text(DESK)
    (folder / "people.csv").write_text(PEOPLE)
    return folder


def lines_of(folder: Path, table: str) -> dict[str, str]:
    """What the SQL file of a table says of each column: its SQL and the reason."""
    lines = re.findall(r"^    (.*) as (\w+),?  -- (.*)$", (folder / f"{table}.sql").read_text(), re.MULTILINE)
    return {name: f"{sql}  -- {reason}" for sql, name, reason in lines}


def test_three_exports_come_to_rows(exports: Path, tmp_path: Path, home: Home) -> None:
    """Line items repeated, instants with an offset, statuses, nested objects, dates and a decimal comma."""
    result = map_exports(exports, out=tmp_path / "mapping")
    assert {name: table["export"] for name, table in result["tables"].items()} == {
        "customers": "exports/people.csv",
        "orders": "exports/orders_export.csv",
        "order_items": "exports/orders_export.csv",
        "support_tickets": "exports/tickets.json",
    }
    assert result["not_mapped"] == ["sessions"]
    assert {name: table["check"] for name, table in result["tables"].items() if table["check"]} == {
        "orders": ["cancelled_at", "returned_at"],
        "order_items": ["line_number"],
        "support_tickets": ["resolved_at"],
    }
    load = ingest(str(tmp_path / "mapping"), home=home, max_rejected=0)
    assert [rows["accepted"] for rows in load["tables"].values()] == [2, 3, 4, 2, 0, 0]
    assert read_table(home, "customers", "customer_id, registered_at::date::varchar, city") == [
        ("a@x.example", "2023-01-05", "Köln"),
        ("b@x.example", "2023-02-13", "Bonn"),
    ]
    columns = "order_id, ordered_at::varchar, total_amount::double, cancelled_at::date::varchar"
    columns += ", returned_at::date::varchar"
    assert read_table(home, "orders", columns) == [
        ("#1001", "2024-01-05 15:00:00", 25.0, None, None),
        ("#1002", "2024-02-05 15:00:00", 5.0, None, "2024-02-20"),
        ("#1003", "2024-03-05 15:00:00", 7.5, "2024-03-06", None),
    ]
    assert read_table(home, "order_items", "order_id, line_number, product_id, quantity::int") == [
        ("#1001", 1, "C-1", 1),
        ("#1001", 2, "T-1", 2),
        ("#1002", 1, "C-1", 1),
        ("#1003", 1, "P-1", 1),
    ]
    tickets = "ticket_id, customer_id, channel, resolved_at::date::varchar, satisfaction_score"
    assert read_table(home, "support_tickets", tickets) == [
        ("7", "a@x.example", "email", "2024-01-11", 4),
        ("8", "b@x.example", "web", None, None),
    ]


def test_every_line_has_its_reason(exports: Path, tmp_path: Path) -> None:
    map_exports(exports, out=tmp_path / "mapping")
    text = (tmp_path / "mapping" / "orders.sql").read_text()
    assert "-- not used: Lineitem sku, Lineitem quantity, Lineitem price, Vendor\n" in text
    assert "-- CHECK: 1 rows repeat a key" in text
    assert "MISSING" not in text
    lines = lines_of(tmp_path / "mapping", "orders")
    assert [*lines] == [column.name for column in declaration.raw_table("orders").columns]
    assert lines["ordered_at"] == (
        "\"Created at\"  -- 'Created at' is a usual name for it; instants as they are written"
    )
    assert lines["channel"] == "null  -- nothing like it in the export"
    assert "CHECK: 'Financial Status' says refunded; 'Updated at' is taken for when" in lines["returned_at"]


def test_customers_without_an_export_come_from_orders(exports: Path, tmp_path: Path, home: Home) -> None:
    (exports / "people.csv").unlink()
    (exports / "orders_export_2.csv").write_text(SHOP.replace("#100", "#200"))
    result = map_exports(exports, out=tmp_path / "mapping")
    assert result["tables"]["customers"]["check"] == ["registered_at"]
    load = ingest(str(tmp_path / "mapping"), home=home, max_rejected=0)
    assert [rows["accepted"] for rows in load["tables"].values()] == [2, 6, 8, 2, 0, 0]
    assert read_table(home, "customers", "customer_id, registered_at::varchar") == [
        ("a@x.example", "2024-01-05 15:00:00"),
        ("b@x.example", "2024-02-05 15:00:00"),
    ]


def test_tables_agree_on_one_key_of_customers(exports: Path, tmp_path: Path, home: Home) -> None:
    """Customers have a number, orders and tickets an address, in other capitals: the address is the key."""
    (exports / "people.csv").write_text(
        "Customer ID,Email,Signup date\n001,A@x.example,2023-01-05\n002,b@X.example,2023-02-13\n"
    )
    (exports / "tickets.json").write_text(DESK.replace('"id": "', '"email": "'))
    map_exports(exports, out=tmp_path / "mapping")
    line = lines_of(tmp_path / "mapping", "support_tickets")["customer_id"]
    assert line.startswith('lower(trim("requester"."email"))  -- ')
    assert "100% of the rows have a value of 'Email' of exports/people.csv" in line
    load = ingest(str(tmp_path / "mapping"), home=home, max_rejected=0)
    assert [rows["accepted"] for rows in load["tables"].values()] == [2, 3, 4, 2, 0, 0]
    assert read_table(home, "customers", "customer_id") == [("a@x.example",), ("b@x.example",)]


@pytest.mark.parametrize(
    ("values", "sql", "is_guess"),
    [
        (["05.01.2024", "13.02.2024"], "'%d.%m.%Y')", False),
        (["05/01/2024", "06/02/2024"], "'%m/%d/%Y')", True),
        (["05/01/2024", "13/02/2024"], "'%d/%m/%Y')", False),
        (["05/13/2024 4:05 PM", "05/14/2024 11:30 AM"], "'%m/%d/%Y %I:%M %p')", False),
        (["Jan 5, 2024", "Feb 13, 2024"], "'%b %d, %Y')", False),
        ([1704448800, 1707000000], 'to_timestamp("Order date")', True),
        ([1704448800000, 1707000000000], 'to_timestamp("Order date" / 1000)', True),
        ([datetime(2024, 1, 5), datetime(2024, 2, 5)], '"Order date"', False),
    ],
)
def test_forms_of_instants(tmp_path: Path, values: list, sql: str, is_guess: bool) -> None:
    write_orders(tmp_path, {"Order date": values})
    result = map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    line = lines_of(tmp_path / "mapping", "orders")["ordered_at"]
    assert sql in line
    assert ("ordered_at" in result["tables"]["orders"]["check"]) is is_guess
    assert ("CHECK" in line) is (is_guess and "/2024" in str(values[0]))


@pytest.mark.parametrize(
    ("values", "amounts"),
    [
        (["12.50", "1250"], [12.5, 1250.0]),
        (["€ 1.250,00", "7,5"], [1250.0, 7.5]),
        (["$1,250.00", "-7.50 USD"], [1250.0, -7.5]),
        ([12.5, 1250.0], [12.5, 1250.0]),
    ],
)
def test_forms_of_amounts(tmp_path: Path, home: Home, values: list, amounts: list[float]) -> None:
    write_orders(tmp_path, {"Total": values})
    map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    ingest(str(tmp_path / "mapping"), home=home, max_rejected=0)
    assert [amount for (amount,) in read_table(home, "orders", "total_amount::double")] == sorted(amounts)


def test_a_comma_before_three_digits_may_be_either(tmp_path: Path) -> None:
    write_orders(tmp_path, {"Total": ["1,234", "2,500"]})
    result = map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    assert result["tables"]["orders"]["check"] == ["total_amount"]
    assert "CHECK: amounts, a comma" in lines_of(tmp_path / "mapping", "orders")["total_amount"]


def write_orders(tmp_path: Path, changed: dict[str, list]) -> None:
    columns = {
        "Order number": ["007", "008"],
        "Customer": ["a", "b"],
        "Order date": ["2024-01-05", "2024-02-05"],
        "Total": ["1", "2"],
    }
    (tmp_path / "exports").mkdir()
    pq.write_table(pa.table(columns | changed), tmp_path / "exports" / "sales.parquet")


def test_a_status_without_an_instant_is_named_and_not_used(tmp_path: Path) -> None:
    write_orders(tmp_path, {"Order status": ["ok", "cancelled"]})
    map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    assert lines_of(tmp_path / "mapping", "orders")["cancelled_at"] == (
        "null  -- 'Order status' says cancelled, but no column says when"
    )


def test_a_required_column_that_is_nowhere_is_named(tmp_path: Path) -> None:
    write_orders(tmp_path, {"Total": [None, None]})
    result = map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    assert result["tables"]["orders"]["missing"] == ["total_amount"]
    text = (tmp_path / "mapping" / "orders.sql").read_text()
    assert "-- MISSING: total_amount is required, and nothing in the export is like it\n" in text


def test_a_table_that_only_the_project_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path / "project", demo="subscriptions")
    monkeypatch.setattr(declaration, "ROOT", tmp_path / "project")
    (tmp_path / "exports").mkdir()
    rows = "Payment ID,Customer ID,Due At,Amount,Paid at\np1,a,2024-01-05,5.00,2024-01-06\n"
    (tmp_path / "exports" / "payments.csv").write_text(rows)
    result = map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    assert result["tables"]["payments"]["missing"] == []
    assert {"payment_id", "customer_id", "due_at", "amount", "paid_at"} == {
        *result["tables"]["payments"]["matched"]
    }


def test_nothing_is_written_over(exports: Path, tmp_path: Path) -> None:
    map_exports(exports, out=tmp_path / "mapping")
    (tmp_path / "mapping" / "orders.sql").rename(tmp_path / "mapping" / "Orders.SQL")
    (tmp_path / "mapping" / "Orders.SQL").write_text("select mine")
    with pytest.raises(UsageError, match=r"has customers\.sql, orders\.sql, .* already: give another --out"):
        map_exports(exports, out=tmp_path / "mapping")
    assert (tmp_path / "mapping" / "Orders.SQL").read_text() == "select mine"
    assert not (tmp_path / "mapping" / "orders.sql").exists()


def test_what_cannot_be_mapped_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist: give a folder of exports"):
        map_exports(tmp_path / "nowhere", out=tmp_path / "mapping")
    (tmp_path / "exports").mkdir()
    with pytest.raises(SourceError, match="holds no export that can be read"):
        map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    (tmp_path / "exports" / "weather.csv").write_text("station,degrees\nx,3\n")
    with pytest.raises(SourceError, match=r"none of exports/weather\.csv seems to hold a raw table"):
        map_exports(tmp_path / "exports", out=tmp_path / "mapping")
    assert not (tmp_path / "mapping").exists()


def test_the_command_says_what_to_do_next(exports: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "mapping")
    ran = CliRunner().invoke(main, ["map", str(exports), "--out", out, "--home", str(tmp_path / "home")])
    assert ran.exit_code == 0, ran.output
    assert f"{'orders':<18}       6      2  exports/orders_export.csv" in ran.stdout
    assert f"read its files, then 'churn ingest {out}'" in ran.stdout


@pytest.mark.parametrize(("encoding", "read_as"), [("latin-1", "latin-1"), ("utf-16", "utf-16")])
def test_another_encoding_is_found_and_said(tmp_path: Path, home: Home, encoding: str, read_as: str) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    text = "Order ID;Customer ID;Created at;Total\n1;jürg;2024-01-05;12,50\n2;zoë;2024-01-06;3,00\n"
    (exports / "orders.csv").write_bytes(text.encode(encoding))
    map_exports(exports, out=tmp_path / "mapping")
    written = (tmp_path / "mapping" / "orders.sql").read_text()

    assert f"-- CHECK: the files are no UTF-8; they are read as {read_as}" in written
    assert f"all_varchar = true, encoding = '{read_as}')" in written
    ingest(tmp_path / "mapping", home=home)
    assert read_table(home, "orders", "customer_id, total_amount::double") == [("jürg", 12.5), ("zoë", 3.0)]


def test_an_encoding_that_sql_cannot_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Also where the sign comes late in a file."""
    text = "Order ID;Customer ID;Created at;Total\n" + "1;a;2024-01-05;12,50\n" * 60_000
    (tmp_path / "orders.csv").write_bytes((text + "2;b;2024-01-05;3,00 €\n").encode("windows-1252"))
    with pytest.raises(SourceError, match=r"orders\.csv is neither UTF-8 nor Latin-1, perhaps windows-1252"):
        map_exports(tmp_path, out=tmp_path / "mapping")


def test_a_late_line_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    text = "Order ID;Customer ID;Created at;Total\n" + "1;a;2024-01-05;12,50\n" * 60_000
    (tmp_path / "orders.csv").write_text(text + "2;b;2024-01-05;3,00;and;more\n")
    with pytest.raises(SourceError, match=r"orders\.csv cannot be read: "):
        map_exports(tmp_path, out=tmp_path / "mapping")
