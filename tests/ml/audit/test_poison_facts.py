"""The poison: of every kind, known only after its customer's instant, and within the contract."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ml.audit.poison_facts import add_poison
from ml.ingest import ingest
from ml.ingest.declaration import raw_tables
from tests.reference.worlds import Row, random_world, write_world

UNTIL = datetime(2023, 6, 1)
MICRO = timedelta(microseconds=1)
KNOWN = {
    "customers": "coalesce(updated_at, registered_at)",
    "orders": "greatest(ordered_at, coalesce(loaded_at, ordered_at))",
    "support_tickets": "greatest(opened_at, coalesce(loaded_at, opened_at))",
    "sessions": "greatest(started_at, coalesce(loaded_at, started_at))",
}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw rows of a random world, and the poison beside them; every customer has the same instant."""
    folder = tmp_path_factory.mktemp("poison")
    ingest(str(write_world(folder / "raw", random_world(2, customers=120))), home=folder, max_rejected=0.0)
    load = (folder / "raw" / "current").resolve()
    with duckdb.connect() as connection:
        connection.execute(
            f"create table limits as select distinct customer_id, timestamp '{UNTIL}' as until, "
            f"hash(customer_id) as draw from '{load}/customers/*.parquet'"
        )
        add_poison(connection, load)
    return load


def poison(load: Path, table: str, condition: str = "true") -> list[Row]:
    relation = duckdb.sql(f"select * from '{load}/{table}/poison.parquet' where {condition}")
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


@pytest.mark.parametrize("table", KNOWN)
def test_nothing_is_known_by_the_instant(load: Path, table: str) -> None:
    assert len(poison(load, table)) > 50
    assert poison(load, table, f"{KNOWN[table]} <= timestamp '{UNTIL}'") == []


@pytest.mark.parametrize("table", KNOWN)
def test_some_is_known_a_microsecond_later(load: Path, table: str) -> None:
    assert len(poison(load, table, f"{KNOWN[table]} = timestamp '{UNTIL + MICRO}'")) > 10


@pytest.mark.parametrize(("table", "occurred"), [("orders", "ordered_at"), ("sessions", "started_at")])
def test_some_happened_before_it(load: Path, table: str, occurred: str) -> None:
    late = poison(load, table, f"starts_with({table[:-1]}_id, 'poison late')")
    assert late
    assert all(row[occurred] <= UNTIL for row in late)
    assert any(row[occurred] == UNTIL for row in late)


@pytest.mark.parametrize(
    ("table", "instant"),
    [
        ("orders", "cancelled_at"),
        ("orders", "returned_at"),
        ("support_tickets", "resolved_at"),
        ("support_tickets", "rated_at"),
    ],
)
def test_corrections_claim_instants_before_after_and_none(load: Path, table: str, instant: str) -> None:
    key = f"{table.split('_')[-1][:-1]}_id"
    rows = poison(load, table, f"not starts_with({key}, 'poison')")
    known = {
        row[0] for row in duckdb.sql(f"select {key} from '{load}/{table}/load-000001.parquet'").fetchall()
    }
    assert {row[key] for row in rows} <= known
    claims = {None if row[instant] is None else row[instant] <= UNTIL for row in rows}
    assert claims == {None, True, False}


def test_new_orders_have_items_and_lines_of_known_orders_come_later(load: Path) -> None:
    orders = {row["order_id"] for row in poison(load, "orders") if row["order_id"].startswith("poison")}
    lines = poison(load, "order_items")
    late = [row for row in lines if row["order_id"] not in orders]
    assert {row["order_id"] for row in lines if row["loaded_at"] is None} == orders
    assert late
    assert all(row["loaded_at"] > UNTIL for row in late)
    assert any(row["deleted_at"] for row in late)


def test_only_customers_known_by_then_get_another_profile(load: Path) -> None:
    registered = {
        row[0]
        for row in duckdb.sql(
            f"select customer_id from '{load}/customers/load-000001.parquet' "
            f"where greatest(registered_at, coalesce(updated_at, registered_at)) <= timestamp '{UNTIL}'"
        ).fetchall()
    }
    assert {row["customer_id"] for row in poison(load, "customers")} == registered


def test_an_ingest_would_accept_it(load: Path, tmp_path: Path) -> None:
    for table in raw_tables():
        columns = ", ".join(table.names)
        rows = f"select {columns} from read_parquet('{load}/{table.name}/*.parquet', union_by_name = true)"
        duckdb.sql(f"copy ({rows}) to '{tmp_path}/{table.name}.parquet' (format parquet)")
    counts = ingest(str(tmp_path), home=tmp_path / "home", max_rejected=0.0)["tables"]
    assert sum(table["rejected"] for table in counts.values()) == 0
