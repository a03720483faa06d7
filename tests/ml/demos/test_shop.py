"""The shop simulator: same seed, same rows; extracts agree with the whole; the contract holds."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from ml.common.errors import UsageError
from ml.demos.shop import write_shop

TABLES = ("customers", "orders", "order_items", "support_tickets", "sessions")
OCCURRED = {"orders": "ordered_at", "support_tickets": "opened_at", "sessions": "started_at"}
LATER_INSTANTS = {"orders": ("cancelled_at", "returned_at"), "support_tickets": ("resolved_at", "rated_at")}


def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in TABLES:
        connection.read_parquet(str(folder / f"{name}.parquet")).create_view(name)
    return connection


def number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.sql(query).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "raw"
    write_shop(folder, customers=2_000)
    return folder


@pytest.fixture(scope="module")
def shop(shop_folder: Path) -> duckdb.DuckDBPyConnection:
    return opened(shop_folder)


def test_sizes_are_near_the_stated_ones(shop: duckdb.DuckDBPyConnection) -> None:
    assert number(shop, "select count(distinct customer_id) from customers") == 2_000
    orders = number(shop, "select count(distinct order_id) from orders")
    assert 6.5 < orders / 2_000 < 8.3
    assert 2.4 < number(shop, "select count(*) from order_items") / orders < 2.6
    assert 0.4 < number(shop, "select count(distinct ticket_id) from support_tickets") / 2_000 < 0.6
    assert 1.0 < number(shop, "select count(distinct session_id) from sessions") / orders < 1.4


def test_same_seed_same_bytes_and_another_seed_other_rows(tmp_path: Path) -> None:
    for name, seed in (("first", 7), ("second", 7), ("third", 8)):
        write_shop(tmp_path / name / "raw", customers=300, seed=seed)
    files = [f"raw/{name}.parquet" for name in TABLES] + ["truth/true_probability.parquet"]
    for file in files:
        first, second, third = (
            (tmp_path / name / file).read_bytes() for name in ("first", "second", "third")
        )
        assert first == second
        assert first != third


def test_blocks_do_not_depend_on_how_many_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.demos.shop.BLOCK", 200)
    for customers in (200, 500):
        write_shop(tmp_path / str(customers) / "raw", customers=customers)
    few, many = opened(tmp_path / "200" / "raw"), opened(tmp_path / "500" / "raw")
    for name in ("customers", "orders", "support_tickets", "sessions"):
        query = f"select * from {name} where customer_id <= 'C0000200' order by all"
        assert few.sql(query).fetchall() == many.sql(query).fetchall()


@pytest.mark.parametrize("as_of", [datetime(2024, 3, 4), datetime(2023, 7, 1, 12, 30, 0, 1)])
def test_extract_is_the_whole_as_it_was_known(
    shop: duckdb.DuckDBPyConnection, tmp_path: Path, as_of: datetime
) -> None:
    write_shop(tmp_path / "raw", customers=2_000, as_of=as_of)
    extract = opened(tmp_path / "raw")
    known = {name: f"greatest({occurred}, loaded_at) <= $1" for name, occurred in OCCURRED.items()}
    known["customers"] = "coalesce(updated_at, registered_at) <= $1"
    known["order_items"] = (
        "order_id in (select order_id from orders where greatest(ordered_at, loaded_at) <= $1)"
    )
    for name in TABLES:
        then = shop.execute(f"select * from {name} where {known[name]} order by all", [as_of]).fetchall()
        assert extract.sql(f"select * from {name} order by all").fetchall() == then
        assert then


@pytest.mark.parametrize("name", OCCURRED)
def test_nothing_in_a_row_is_later_than_the_row_itself(shop: duckdb.DuckDBPyConnection, name: str) -> None:
    known = f"greatest({OCCURRED[name]}, loaded_at)"
    later = " or ".join(f"{column} > {known}" for column in LATER_INSTANTS.get(name, ()))
    assert number(shop, f"select count(*) from {name} where {later or 'false'}") == 0
    assert number(shop, f"select count(*) from {name} where {known} > '2025-01-01'") == 0
    assert number(shop, f"select count(*) from {name} where loaded_at < {OCCURRED[name]}") == 0


@pytest.mark.parametrize(
    ("breach", "query"),
    [
        (
            "unknown customer",
            "from (from orders union all by name from sessions) anti join customers using (customer_id)",
        ),
        ("unknown order", "from order_items anti join orders using (order_id)"),
        (
            "before registration",
            "from orders join customers using (customer_id) where ordered_at < registered_at",
        ),
        ("resolved too early", "from support_tickets where resolved_at < opened_at"),
        ("score", "from support_tickets where satisfaction_score not between 1 and 5"),
        ("negative money", "from orders where total_amount < 0 or discount_amount < 0"),
        (
            "conflicting orders",
            """from (select distinct * from orders)
               group by order_id, coalesce(loaded_at, ordered_at) having count(*) > 1""",
        ),
        (
            "conflicting tickets",
            """from (select distinct * from support_tickets)
               group by ticket_id, coalesce(loaded_at, opened_at) having count(*) > 1""",
        ),
        (
            "conflicting customers",
            """from (select distinct * from customers)
               group by customer_id, coalesce(updated_at, registered_at) having count(*) > 1""",
        ),
        (
            "conflicting items",
            "from (select distinct * from order_items) group by order_id, line_number having count(*) > 1",
        ),
        (
            "moved orders",
            "from orders group by order_id having count(distinct (customer_id, ordered_at)) > 1",
        ),
    ],
)
def test_contract_is_obeyed(shop: duckdb.DuckDBPyConnection, breach: str, query: str) -> None:
    assert shop.sql(f"select 1 {query}").fetchall() == [], breach


@pytest.mark.parametrize(
    ("what", "query", "at_least"),
    [
        (
            "exact ties",
            "from orders group by customer_id, ordered_at having count(distinct order_id) > 1",
            30,
        ),
        (
            "late orders",
            "from orders where loaded_at > ordered_at + interval 1 day and cancelled_at is null",
            300,
        ),
        ("very late sessions", "from sessions where loaded_at > started_at + interval 20 day", 15),
        ("orders without loaded_at", "from orders where loaded_at is null", 1_000),
        ("exact copies", "from orders group by order_id, orders having count(*) > 1", 30),
        (
            "redelivered orders",
            """from orders group by order_id, total_amount, cancelled_at, returned_at
               having count(distinct loaded_at) > 1""",
            30,
        ),
        ("corrected amounts", "from orders group by order_id having count(distinct total_amount) > 1", 200),
        ("cancelled orders", "from orders where cancelled_at is not null", 400),
        ("returned orders", "from orders where returned_at is not null", 250),
        ("two later versions", "from orders group by order_id having count(distinct loaded_at) > 2", 5),
        (
            "versions of customers",
            "from customers group by customer_id having count(distinct updated_at) > 1",
            400,
        ),
        ("customers without updated_at", "from customers where updated_at is null", 40),
        ("silent customers", "from customers anti join orders using (customer_id)", 700),
        (
            "unresolved tickets",
            "from support_tickets group by ticket_id having count(resolved_at) = 0",
            60,
        ),
        ("ratings with an instant", "from support_tickets where rated_at is not null", 300),
        (
            "ratings without an instant",
            "from support_tickets where satisfaction_score is not null and rated_at is null",
            50,
        ),
        (
            "ratings without any instant",
            "from support_tickets where satisfaction_score > 0 and coalesce(rated_at, resolved_at) is null",
            1,
        ),
    ],
)
def test_hard_cases_are_there(shop: duckdb.DuckDBPyConnection, what: str, query: str, at_least: int) -> None:
    assert len(shop.sql(f"select 1 {query}").fetchall()) >= at_least, what


@pytest.mark.parametrize(
    "wrong",
    [{"customers": 0}, {"seed": -1}, {"as_of": datetime(2022, 12, 31)}, {"as_of": datetime(2025, 1, 2)}],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        write_shop(tmp_path / "raw", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "raw").exists()


def test_extract_of_the_first_instant_holds_only_who_is_registered(tmp_path: Path) -> None:
    write_shop(tmp_path / "raw", customers=300, as_of=datetime(2023, 1, 1))
    first = opened(tmp_path / "raw")
    assert number(first, "select count(distinct customer_id) from customers") > 30
    assert number(first, "select count(*) from orders") == 0
    assert number(first, "select count(*) from order_items") == 0
