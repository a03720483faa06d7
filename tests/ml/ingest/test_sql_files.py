"""A folder of SQL files, one select for each raw table, read as any other source."""

from pathlib import Path

import duckdb
import pytest

from ml.common.errors import SourceError
from ml.home.layout import Home
from ml.ingest import ingest
from tests.ml.ingest.worlds import read_rejected, read_table

EXPORT = """Name,Email,Created at,Total
#001,a@shop.example,2024-01-05 10:00:00 -0500,"12,50"
#002,b@shop.example,2024-02-05 10:00:00 -0500,"7,00"
#003,b@shop.example,2024-02-06 10:00:00 -0500,seven
"""
ORDERS = """-- what the shop exports
select
    "Name" as order_id,
    "Email" as customer_id,
    "Created at" as ordered_at,
    replace("Total", ',', '.') as total_amount
from read_csv('exports/orders_*.csv', all_varchar = true)
"""
CUSTOMERS = """select "Email" as customer_id, min("Created at") as registered_at
from read_csv('exports/orders_*.csv', all_varchar = true) group by all order by all;
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    folder = tmp_path / "files" / "mapping"
    folder.mkdir(parents=True)
    (tmp_path / "files" / "exports").mkdir()
    (tmp_path / "files" / "exports" / "orders_1.csv").write_text(EXPORT)
    (folder / "orders.sql").write_text(ORDERS)
    (folder / "Customers.SQL").write_text(CUSTOMERS)
    return folder


def test_rows_are_checked_and_rejected_as_those_of_files(mapping: Path, home: Home) -> None:
    """Paths are looked for in the folder above the mapping, wherever the command is run."""
    result = ingest(str(mapping), home=home, max_rejected=0.5)
    assert {name: rows["read"] for name, rows in result["tables"].items() if rows["read"]} == {
        "customers": 2,
        "orders": 3,
    }
    assert read_table(
        home, "orders", "order_id, ordered_at::varchar, total_amount::varchar, _file, _row"
    ) == [
        ("#001", "2024-01-05 15:00:00", "12.5000", "orders.sql", 1),
        ("#002", "2024-02-05 15:00:00", "7.0000", "orders.sql", 2),
    ]
    assert read_rejected(home) == {("orders", 3, "total_amount is not a number")}


def test_typed_columns_keep_their_types(mapping: Path, home: Home) -> None:
    (mapping / "orders.sql").write_text(
        """
        select 'o' || n as order_id, 'a@shop.example' as customer_id, 0.1::decimal(18, 4) + n as total_amount,
            timestamp '2024-03-01' + n * interval 1 hour as ordered_at
        from range(3) as t (n)
        """
    )
    assert ingest(str(mapping), home=home)["tables"]["orders"]["accepted"] == 3
    assert read_table(home, "orders", "order_id, ordered_at::varchar, total_amount::varchar")[2] == (
        "o2",
        "2024-03-01 02:00:00",
        "2.1000",
    )


def test_a_select_over_a_database(mapping: Path, home: Home, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "files" / "shop.db")) as connection:
        connection.execute("create table sales as select '1' as id, 'a@shop.example' as email, 5 as paid")
    (mapping / "orders.sql").write_text(
        f"""attach '{tmp_path}/files/shop.db' as shop (read_only);
        select id as order_id, email as customer_id, '2024-03-01' as ordered_at, paid as total_amount
        from shop.sales
        """
    )
    assert ingest(str(mapping), home=home)["tables"]["orders"]["accepted"] == 1
    with duckdb.connect(str(tmp_path / "files" / "shop.db")) as connection:
        assert connection.execute("select count(*) from sales").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ORDERS.replace('"Total"', '"Totl"'), "orders.sql cannot be run: line 6, .*Totl.*Candidate bindings"),
        (ORDERS.replace("exports/", "export/"), "orders.sql cannot be run: .*No files found"),
        ("select 1 as a\nfrom\nwhere", "orders.sql is no SQL: line 3, .*syntax error"),
        (ORDERS + "; " + CUSTOMERS, "orders.sql is not one select"),
        ("", "orders.sql is not one select"),
        ("create table x as select 1", "orders.sql is not one select"),
        ("copy (select 1) to '/tmp/never.csv'", "orders.sql is not one select"),
        ("attach 'x.db' as x; select 1", r"orders.sql attaches a database for writing: add \(read_only\)"),
        ("attach 'x.db' as x (read_only);\n\nselect 1", "orders.sql cannot be run: .*x.db"),
        (
            "select 1 as order_id",
            "orders.sql lacks the required columns customer_id, ordered_at, total_amount",
        ),
    ],
)
def test_what_cannot_be_run_is_said_and_loads_nothing(
    mapping: Path, home: Home, text: str, sentence: str
) -> None:
    ingest(str(mapping), home=home, max_rejected=0.5)
    (mapping / "orders.sql").write_text(text)
    with pytest.raises(SourceError, match=sentence):
        ingest(str(mapping), home=home)
    assert (home.raw / "current").resolve().name == "load-000001"


def test_the_line_of_an_error_after_an_attach_is_that_of_the_file(
    mapping: Path, home: Home, tmp_path: Path
) -> None:
    duckdb.connect(str(tmp_path / "files" / "shop.db")).close()
    (mapping / "orders.sql").write_text(
        f"attach '{tmp_path}/files/shop.db' as shop (read_only);\n"
        "-- then\nselect\n    nothing as order_id\nfrom range(3)"
    )
    with pytest.raises(SourceError, match=r"orders\.sql cannot be run: line 4, "):
        ingest(str(mapping), home=home)


def test_a_table_comes_as_sql_or_as_files(mapping: Path, home: Home) -> None:
    (mapping / "orders.csv").write_text("order_id\n")
    with pytest.raises(SourceError, match=r"the table orders more than once, as orders\.csv and orders\.sql"):
        ingest(str(mapping), home=home)
