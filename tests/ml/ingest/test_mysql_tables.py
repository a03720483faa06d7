"""Raw tables of a MySQL or MariaDB database: every value exact, from one snapshot, passwords nowhere."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml.common.errors import SourceError, UsageError
from ml.home.layout import Home
from ml.ingest import ingest, mysql_tables
from ml.ingest.mysql_server import connected, execute, parse_mysql_url
from tests.ml.ingest.worlds import read_rejected, read_table

HOST, PORT, USER = "127.0.0.1", 3306, "root"
MARIADB = f"mysql://{USER}@{HOST}:{PORT}"
CUSTOMERS = (
    "create table customers (customer_id bigint unsigned primary key, registered_at datetime(6) not null, "
    "city varchar(20) character set latin1, email_verified tinyint(1), phone_verified bit(1), "
    "country varchar(40), gender enum('f', 'm'), profile json, photo blob, updated_at timestamp(6) null)"
)
ORDERS = (
    "create table orders (order_id decimal(20, 4), customer_id bigint unsigned, ordered_at datetime(6), "
    "total_amount decimal(18, 4), channel varbinary(20), cancelled_at datetime null, big decimal(60, 20), "
    "`odd ``name``` varchar(20), weight float, spent time(6), bits bit(9))"
)
Run = Callable[..., None]


@pytest.fixture
def database() -> Iterator[tuple[str, Run]]:
    """The URL of a new database, and a function that runs statements in it."""
    pymysql = pytest.importorskip("pymysql", reason="pymysql is not installed: MySQL is NOT tested")
    try:
        connection = pymysql.connect(host=HOST, port=PORT, user=USER, autocommit=True, connect_timeout=3)
    except pymysql.OperationalError as error:
        pytest.skip(f"no MariaDB answers at {MARIADB}, so reading from it is NOT tested: {error}")
    name = f"ingest_{uuid.uuid4().hex[:12]}"

    def run(*statements: str) -> None:
        with closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    with closing(connection):
        # Zero dates are there only where a server is lax.
        run(
            f"create database {name} character set utf8mb4",
            f"use {name}",
            "set sql_mode = ''",
            "set time_zone = '+02:00'",
        )
        yield f"{MARIADB}/{name}", run
        run(f"drop database {name}")


@pytest.fixture
def filled(database: tuple[str, Run]) -> tuple[str, Run]:
    """Two customers and three orders, with every type that is read in a way of its own."""
    _, run = database
    run(
        CUSTOMERS,
        ORDERS,
        "insert into customers values (18446744073709551615, '2024-01-01 10:00:00.000001', 'Malmö', 1, b'0', "
        "'a \"quoted\", line\nand 💖', 'f', '{\"vip\": 1.50}', 'as text', '2024-01-01 12:00:00.000001'), "
        "(2, '2024-01-02', null, 0, b'1', '', null, null, x'ff00', null)",
        "insert into orders values (17, 2, '2024-02-01 10:00:00', 12345678901234.5678, 'web', null, "
        "1234567890123456789012345678901234567890.12345678901234567890, 'x', 0.1, '-838:59:59.5', "
        "b'100000001')",
        "insert into orders (order_id, customer_id, ordered_at, total_amount, channel, cancelled_at) values "
        "(18, 2, '2024-02-02', 0.1, x'ff', '0000-00-00'), (19.5, 2, '2024-02-03', 3, null, null), "
        "(20, 2, '0000-00-00', 3, null, null), (21, 2, '2024-00-10', 3, null, null)",
    )
    return database


def test_every_value_is_exact(filled: tuple[str, Run], home: Home) -> None:
    url, _ = filled
    result = ingest(url, home=home, max_rejected=0.9)
    columns = (
        "customer_id, registered_at::varchar, city, email_verified, phone_verified, country, gender, "
        "profile, photo, updated_at::varchar"
    )
    assert read_table(home, "customers", columns) == [
        (
            *("18446744073709551615", "2024-01-01 10:00:00.000001", "Malmö", True, False),
            *('a "quoted", line\nand 💖', "f", '{"vip": 1.50}', "as text", "2024-01-01 10:00:00.000001"),
        ),
        ("2", "2024-01-02 00:00:00", None, False, True, None, None, None, "\\xFF\\x00", None),
    ]
    columns = 'order_id, total_amount::varchar, channel, big, "odd `name`", weight, spent, bits, _file, _row'
    assert read_table(home, "orders", columns) == [
        (
            *("17", "12345678901234.5678", "web"),
            *(
                "1234567890123456789012345678901234567890.12345678901234567890",
                "x",
                "0.1",
                "-838:59:59.500000",
            ),
            *("257", "orders", 1),
        ),
        ("19.5", "3.0000", None, None, None, None, None, None, "orders", 3),
    ]
    assert (result["source"], result["tables"]["orders"]["read"]) == (url, 5)


def test_dates_that_are_none_are_rejected_with_their_reason(filled: tuple[str, Run], home: Home) -> None:
    url, _ = filled
    result = ingest(url.replace("mysql://", "mariadb://"), home=home, max_rejected=0.9)
    assert read_rejected(home) == {
        ("orders", 2, "channel is not text; cancelled_at is not an instant"),
        ("orders", 4, "ordered_at is not an instant"),
        ("orders", 5, "ordered_at is not an instant"),
    }
    assert {(example["text"], example["row"]) for example in result["examples"]} == {
        ("\\xFF", 2),
        ("0000-00-00 00:00:00", 2),
        ("0000-00-00 00:00:00.000000", 4),
    }


def test_a_datetime_is_of_the_zone_given_and_a_timestamp_of_utc(filled: tuple[str, Run], home: Home) -> None:
    url, _ = filled
    ingest(url, home=home, max_rejected=0.9, timezone="+01:00")
    assert read_table(home, "customers", "registered_at::varchar, updated_at::varchar")[0] == (
        "2024-01-01 09:00:00.000001",
        "2024-01-01 10:00:00.000001",
    )


def test_all_tables_are_of_one_instant(
    filled: tuple[str, Run], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed after the snapshot is in no table, even one that is copied later."""
    url, run = filled
    copy_table = mysql_tables.copy_table

    def copy_after_a_commit(connection, name, *others):
        if name == "orders":
            run(
                "insert into customers (customer_id, registered_at) values (3, '2024-01-03')",
                "insert into orders (order_id, customer_id, ordered_at, total_amount) "
                "values (99, 2, '2024-02-03', 1), (98, 3, '2024-02-03', 1)",
            )
        return copy_table(connection, name, *others)

    monkeypatch.setattr(mysql_tables, "copy_table", copy_after_a_commit)
    first = ingest(url, home=home, max_rejected=0.9)
    assert {name: rows["read"] for name, rows in first["tables"].items() if rows["read"]} == {
        "customers": 2,
        "orders": 5,
    }


def test_the_database_is_not_written_to(filled: tuple[str, Run]) -> None:
    url, _ = filled
    server, label = parse_mysql_url(url)

    def write() -> None:
        with connected(server, label) as connection:
            for statement in (*mysql_tables.SESSION, "insert into orders (order_id) values (1)"):
                execute(connection, statement)

    with pytest.raises(SourceError, match="READ ONLY"):
        write()


def test_a_long_row_is_read_and_one_beyond_the_packet_named(filled: tuple[str, Run], home: Home) -> None:
    url, run = filled
    run("alter table customers add notes longtext", "update customers set notes = repeat('é\n', 1500000)")
    ingest(url, home=home, max_rejected=0.9)
    assert read_table(home, "customers", "length(notes), notes[:3]") == [(3_000_000, "é\né")] * 2

    for too_long in ("repeat('x', 16777200)", """repeat('"', 8388700)"""):
        run(f"update customers set notes = {too_long} where customer_id = 2")
        with pytest.raises(
            SourceError, match=r"a row of customers is longer than the server's max_allowed_pa"
        ):
            ingest(url, home=home, max_rejected=0.9)
    assert home.current_load().name == "load-000001"


def test_tables_in_any_capitals_views_and_appends(database: tuple[str, Run], home: Home) -> None:
    url, run = database
    run(
        "create table people (Customer_ID varchar(9), registered_at datetime)",
        "insert into people values ('a', '2024-01-01')",
        "create view `CUSTOMERS` as select * from people",
        "create table Orders (order_id int, customer_id varchar(9), ordered_at date, total_amount int)",
        "insert into Orders values (1, 'a', '2024-02-01', 5)",
        "create table order_item (a int)",
    )
    result = ingest(url, home=home)
    assert result["not_read"] == ["order_item (perhaps the table order_items: name it so)"]
    run("delete from Orders", "insert into Orders values (2, 'a', '2024-02-02', 6)")
    ingest(url, home=home, append=True)
    assert read_table(home, "orders", "order_id, ordered_at::varchar") == [
        ("1", "2024-02-01 00:00:00"),
        ("2", "2024-02-02 00:00:00"),
    ]
    run("create table orders (a int)")
    with pytest.raises(
        SourceError, match=r"the table orders more than once, as .*rders and .rders: keep one"
    ):
        ingest(url, home=home)


def test_what_is_missing_is_named(database: tuple[str, Run], home: Home) -> None:
    url, run = database
    with pytest.raises(SourceError, match="holds no raw table in its database ingest_"):
        ingest(url, home=home)
    run("create table customers (customer_id int, registered_at datetime)")
    with pytest.raises(SourceError, match="lacks the required table orders"):
        ingest(url, home=home)
    run("create table orders (order_id int, customer_id int, ordered_at datetime)")
    with pytest.raises(
        SourceError, match=r"orders lacks the required column total_amount: it has order_id, cu"
    ):
        ingest(url, home=home)
    run("alter table orders add total_amount int")
    with pytest.raises(SourceError, match=r"has no rows in the required table customers"):
        ingest(url, home=home)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("127.0.0.1:1/shop", r"no server answers at 127\.0\.0\.1:1 \(.*Connection refused"),
        ("no-such-host.invalid/shop", r"no server answers at no-such-host\.invalid:3306"),
        ("127.0.0.1:3306/no_such_database", "there is no database no_such_database that root may read"),
    ],
)
def test_a_server_that_does_not_answer_or_has_no_such_database(
    database: tuple[str, Run], home: Home, where: str, sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence) as failure:
        ingest(f"mysql://root@{where}", home=home)
    assert "\n" not in str(failure.value)


def test_a_password_is_taken_from_url_or_environment_and_shown_nowhere(
    filled: tuple[str, Run],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url, run = filled
    name, user = url.rpartition("/")[2], f"u{uuid.uuid4().hex[:8]}"
    run(
        f"create user {user}@'127.0.0.1' identified by 's3cret/é'",
        f"grant select on {name}.* to {user}@'127.0.0.1'",
    )
    try:
        where = f"@{HOST}:{PORT}/{name}"
        with pytest.raises(SourceError, match=rf"does not let {user} in by.* MYSQL_PWD: none was given"):
            ingest(f"mysql://{user}{where}", home=home)
        with pytest.raises(SourceError, match=r"\*\*\*@.*does not let .*: is it the right one\?") as failure:
            ingest(f"mysql://{user}:wr0ng{where}", home=home)
        assert "wr0ng" not in str(failure.value)

        result = ingest(f"mysql://{user}:s3cret%2F%C3%A9{where}", home=home, max_rejected=0.9)
        assert result["source"] == f"mysql://{user}:***{where}"
        monkeypatch.setenv("MYSQL_PWD", "s3cret/é")
        ingest(f"mysql://{user}{where}", home=home, max_rejected=0.9)

        run(
            f"revoke select on {name}.* from {user}@'127.0.0.1'",
            f"grant select (order_id) on {name}.orders to {user}@'127.0.0.1'",
        )
        with pytest.raises(SourceError, match=r"orders lacks the required columns customer_id"):
            ingest(f"mysql://{user}{where}", home=home, append=True)
    finally:
        run(f"drop user {user}@'127.0.0.1'")
    written = [path.read_bytes() for path in home.root.rglob("*") if path.is_file()]
    assert not any(secret in text for text in written for secret in (b"s3cret", b"%C3%A9@"))
    assert "s3cret" not in "".join(capfd.readouterr())
    assert json.loads((home.current_load() / "load.json").read_text())["source"] == f"mysql://{user}{where}"


def test_a_connection_that_breaks_leaves_the_data_in_place(
    filled: tuple[str, Run], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, run = filled
    ingest(url, home=home, max_rejected=0.9)
    copy_table = mysql_tables.copy_table

    def copy_after_a_kill(connection, *others):
        run(f"kill {connection.thread_id()}")
        return copy_table(connection, *others)

    monkeypatch.setattr(mysql_tables, "copy_table", copy_after_a_kill)
    with pytest.raises(SourceError, match=r"cannot be read: (the connection was lost|.*killed)"):
        ingest(url, home=home)
    assert home.current_load().name == "load-000001"
    assert [path.name for path in home.raw.glob("*unfinished")] == []
    assert threading.active_count() < 20


def test_sql_files_attach_a_database(filled: tuple[str, Run], home: Home, tmp_path: Path) -> None:
    pytest.importorskip(
        "duckdb_extension_mysql_scanner", reason="tidemark[mysql] is not installed: attaching is NOT tested"
    )
    url, _ = filled
    name = url.rpartition("/")[2]
    attach = (
        f"attach 'host={HOST} port={PORT} user={USER} database={name}' as shop (type mysql, read_only);\n"
    )
    (tmp_path / "mapping").mkdir()
    (tmp_path / "mapping" / "customers.sql").write_text(
        f"{attach}select customer_id, registered_at, email_verified, updated_at from shop.customers"
    )
    (tmp_path / "mapping" / "orders.sql").write_text(
        f"{attach}select * from mysql_query('shop', 'select order_id, customer_id, total_amount, "
        "cast(ordered_at as char) as ordered_at from orders')"
    )
    ingest(tmp_path / "mapping", home=home, max_rejected=0.9)
    assert read_table(home, "customers", "customer_id, email_verified, updated_at::varchar")[0] == (
        "18446744073709551615",
        True,
        "2024-01-01 10:00:00.000001",
    )
    assert {(row, reason) for _, row, reason in read_rejected(home)} == {
        (4, "ordered_at is not an instant"),
        (5, "ordered_at is not an instant"),
    }


@pytest.mark.parametrize(
    "attached",
    [
        "host=127.0.0.1 port=1 user=root passwd=s3cret' as a (type mysql, read_only)",
        'host=127.0.0.1 port=1 user=root password="s3cret x"\' as a (type mysql, read_only)',
        "host=127.0.0.1 port=1 password=s3cret' as a (type postgres, read_only)",
        "postgresql://root:s3cret@127.0.0.1:1/shop' as a (type postgres, read_only)",
    ],
)
def test_a_password_in_a_sql_file_is_not_shown(clean: Path, home: Home, attached: str) -> None:
    pytest.importorskip(
        "duckdb_extension_mysql_scanner", reason="tidemark[mysql] is not installed: attaching is NOT tested"
    )
    (clean / "sessions.sql").write_text(f"attach '{attached}; select 1")
    with pytest.raises(SourceError, match=r"sessions\.sql cannot be run: .*127\.0\.0\.1") as failure:
        ingest(clean, home=home)
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://root:pass/w0rd@host/shop", "the URL of the database cannot be read: .* as %2F"),
        ("mysql://root:12/w0rd@host/shop", "the URL of the database cannot be read"),
        ("mysql://root:1#w0rd@host/shop", "the URL of the database cannot be read"),
        (
            "mysql://root:w0rd@host",
            r"the URL of the database cannot be read: write mysql://USER@HOST:PORT/DATAB",
        ),
        (
            "mysql://root:w0rd@host/shop?schema=a",
            r"mysql://root:\*\*\*@host/shop\?schema=a has schema after its q",
        ),
        ("mysql://root:w0rd@host/shop?ssl_ca=/no/file", r"ssl_ca of .* names /no/file, which is no file"),
    ],
)
def test_urls_that_say_no_database(url: str, sentence: str, home: Home) -> None:
    with pytest.raises(UsageError, match=sentence) as failure:
        ingest(url, home=home)
    assert "w0rd" not in str(failure.value)


def test_a_missing_driver_says_what_to_install(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymysql", None)
    with pytest.raises(SourceError, match=r"pip install 'tidemark\[mysql\]'"):
        ingest("mysql://root@127.0.0.1/shop", home=home)
