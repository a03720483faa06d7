"""Raw tables in DuckDB, SQLite and Postgres schemas equal the same tables in a folder."""

import sqlite3
import uuid

import duckdb
import pytest

from ml.common.errors import SourceError, UsageError
from ml.ingest import databases, ingest
from tests.ml.ingest.worlds import read_rejected, read_table

POSTGRES = "postgresql://postgres@127.0.0.1:5432/test"
TABLES = (
    "create table {schema}customers (customer_id integer, registered_at timestamp, note text)",
    "insert into {schema}customers values (1, '2024-01-01 10:00:00.000001', 'a'), (2, '2024-01-02', null)",
    "create table {schema}orders "
    "(order_id integer, customer_id integer, ordered_at timestamp, total_amount numeric(12, 2))",
    "insert into {schema}orders values "
    "(10, 1, '2024-02-01', 10.25), (11, 2, '2024-02-02', 3), (12, 9, '2024-02-02', 3)",
)
ACCEPTED = [("10", "1", "10.2500", "orders", 1), ("11", "2", "3.0000", "orders", 2)]


@pytest.fixture
def postgres():
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: Postgres is NOT tested")
    try:
        connection = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        pytest.skip(f"no Postgres answers at {POSTGRES}, so reading from it is NOT tested: {error}")
    schema = f"ingest_{uuid.uuid4().hex[:12]}"
    with connection:
        connection.execute(f"create schema {schema}")
        for statement in TABLES:
            connection.execute(statement.format(schema=f"{schema}."))
        yield schema
        connection.execute(f"drop schema {schema} cascade")


def check(home, source):
    """Load ``source`` and compare with what its tables say."""
    result = ingest(source, home=home, max_rejected=0.5)

    columns = "order_id, customer_id, total_amount::varchar, _file, _row"
    assert read_table(home, "orders", columns) == ACCEPTED
    assert read_rejected(home) == {("orders", 3, "unknown customer")}
    assert read_table(home, "customers", "customer_id, registered_at::varchar, note") == [
        ("1", "2024-01-01 10:00:00.000001", "a"),
        ("2", "2024-01-02 00:00:00", None),
    ]
    return result


@pytest.mark.parametrize("slashes", ["duckdb://", "duckdb:///"])
def test_duckdb(tmp_path, home, slashes):
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        connection.execute("create schema erp")
        for statement in TABLES:
            connection.execute(statement.format(schema="erp."))
    result = check(home, f"{slashes}{tmp_path}/shop.duckdb?schema=erp")
    assert result["source"].endswith("shop.duckdb?schema=erp")


def test_sqlite(tmp_path, home):
    pytest.importorskip(
        "duckdb_extension_sqlite_scanner", reason="tidemark[sqlite] is not installed: NOT tested"
    )
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        for statement in TABLES:
            connection.execute(statement.format(schema=""))
    check(home, f"sqlite:///{tmp_path}/shop.db")


def test_sqlite_values_of_the_wrong_type_are_rejected_one_by_one(tmp_path, home):
    pytest.importorskip(
        "duckdb_extension_sqlite_scanner", reason="tidemark[sqlite] is not installed: NOT tested"
    )
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        for statement in TABLES:
            connection.execute(statement.format(schema=""))
        connection.execute("insert into orders values (13, 1, 'soon', 'much')")
    ingest(f"sqlite:///{tmp_path}/shop.db", home=home, max_rejected=0.5)
    assert ("orders", 4, "ordered_at is not an instant; total_amount is not a number") in read_rejected(home)


def test_postgres(postgres, home):
    pytest.importorskip(
        "duckdb_extension_postgres_scanner", reason="tidemark[postgres] is not installed: NOT tested"
    )
    check(home, f"{POSTGRES}?schema={postgres}")


def test_a_password_is_never_shown_or_kept(home):
    with pytest.raises(SourceError) as failure:
        ingest("postgresql://postgres:s3cret@127.0.0.1:1/test", home=home)
    assert "s3cret" not in str(failure.value)
    assert "postgresql://postgres:***@127.0.0.1:1/test cannot be read" in str(failure.value)


def test_a_missing_extension_says_what_to_install(tmp_path, home, monkeypatch):
    (tmp_path / "shop.db").touch()
    monkeypatch.setitem(databases.EXTENSIONS, "sqlite", "of_no_package")
    with pytest.raises(SourceError, match=r"pip install 'tidemark\[sqlite\]'"):
        ingest(f"sqlite:///{tmp_path}/shop.db", home=home)


def test_databases_that_cannot_be_used(tmp_path, home):
    (tmp_path / "text.duckdb").write_text(
        "no database, but text long enough to have a header of its own" * 99
    )
    duckdb.connect(tmp_path / "empty.duckdb").close()

    with pytest.raises(UsageError, match=r"names the file .*none.duckdb, which does not exist"):
        ingest(f"duckdb://{tmp_path}/none.duckdb", home=home)
    with pytest.raises(SourceError, match=r"text.duckdb cannot be read"):
        ingest(f"duckdb://{tmp_path}/text.duckdb", home=home)
    with pytest.raises(SourceError, match=r"holds no raw table in its schema erp"):
        ingest(f"duckdb://{tmp_path}/empty.duckdb?schema=erp", home=home)
    with pytest.raises(UsageError, match=r"s3:// is no source of raw tables"):
        ingest("s3://bucket/raw", home=home)


def test_tables_that_look_like_one_or_lie_in_another_schema_are_named(tmp_path, home):
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        for statement in TABLES:
            connection.execute(statement.format(schema=""))
        connection.execute("alter table customers rename to other")
        connection.execute('create view "CUSTOMERS" as from other')
        connection.execute("create schema erp; create table erp.sessions (a integer)")
        connection.execute('create table "Ticket" (a integer); create table "Session 2024" (a integer)')
    url = f"duckdb:///{tmp_path}/shop.duckdb"
    result = check(home, url)

    assert result["not_read"] == [
        "Session 2024 (perhaps the table sessions: name it so)",
        "erp.sessions (in another schema: ?schema=erp)",
    ]
    with pytest.raises(
        SourceError, match=r"no raw table in its schema x: it holds .*main.orders \(in another"
    ):
        ingest(f"{url}?schema=x", home=home)


def test_tables_told_apart_by_capitals_alone_are_refused(postgres, home):
    import psycopg

    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f'create table {postgres}."Orders" (a integer)')

    with pytest.raises(SourceError, match="the table orders more than once, as Orders and orders: keep one"):
        ingest(f"{POSTGRES}?schema={postgres}", home=home)
