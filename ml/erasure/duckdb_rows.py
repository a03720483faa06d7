"""Rows out of dbt's own DuckDB file: a new file with the rows that stay, for a block set free keeps its rows.

Tables of facts name a customer by the number that another table gives; rows of that number go as well.
"""

import shutil
from pathlib import Path

import duckdb

from ml.common.durable_files import sync
from ml.common.errors import BusyError
from ml.common.memory import memory_limit
from ml.common.sql import literal, quoted
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.swapped_files import keep_mode

MEMORY_LIMIT = "3GB"
NUMBER, CUSTOMER = "customer_number", "customer_id"
NEW = ".anew"


def erase_rows(path: Path, rows: RowsToErase) -> int:
    """Write a DuckDB file anew without some rows; return how many went.

    Raises
    ------
    BusyError
        Another process has it open.
    """
    folder = path.parent / NEW
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        fresh = folder / path.name  # the file's name is that of the database, which its views may name
        with duckdb.connect(str(fresh), config={"memory_limit": memory_limit(MEMORY_LIMIT)}) as connection:
            attach(connection, path)
            connection.execute("set threads = 1")  # rows keep their order
            count = sum(copy_table(connection, *table, rows) for table in tables_of(connection))
            copy_views(connection)
            connection.execute("detach before")
            connection.execute("checkpoint")
        keep_mode(path, fresh)
        sync(fresh)
        fresh.replace(path)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return count


def attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach the file as ``before``; what stands in its log becomes part of it."""
    try:
        connection.execute(f"attach {literal(path)} as before")
    except duckdb.IOException as error:
        raise BusyError(f"{path} is open in another process: end that, then try again") from error


def tables_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Schema and name of every table of ``before``."""
    query = "select schema_name, table_name from duckdb_tables() where database_name = 'before' order by all"
    return connection.execute(query).fetchall()


def columns_of(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, of_type: str = "%"
) -> list[str]:
    """The columns of a table, all or those of a type."""
    query = (
        "select column_name from duckdb_columns() where database_name = 'before' and schema_name = ? "
        f"and table_name = ? and data_type like {literal(of_type)} order by column_index"
    )
    return [name for (name,) in connection.execute(query, [schema, table]).fetchall()]


def copy_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str, rows: RowsToErase) -> int:
    """Copy the rows of a table that stay; return how many went."""
    names = columns_of(connection, schema, table)
    conditions = [rows.condition(names)]
    if NUMBER in names and CUSTOMER not in names and (numbers := numbers_of(connection, rows)):
        conditions.append(f"{NUMBER} in ({', '.join(map(str, numbers))})")
    source = f"before.{quoted(schema)}.{quoted(table)}"
    where = " or ".join(f"coalesce({condition}, false)" for condition in conditions if condition) or "false"
    connection.execute(f"create schema if not exists {quoted(schema)}")
    target = f"{quoted(schema)}.{quoted(table)}"
    texts = columns_of(connection, schema, table, "VARCHAR") if rows.words else []
    cleaned = ", ".join(f"{rows.without_words(name)} as {quoted(name)}" for name in texts)
    columns = f"* replace ({cleaned})" if cleaned else "*"
    connection.execute(f"create table {target} as select {columns} from {source} where not ({where})")
    ((gone,),) = connection.execute(f"select count(*) from {source} where {where}").fetchall()
    return int(gone)


def numbers_of(connection: duckdb.DuckDBPyConnection, rows: RowsToErase) -> list[int]:
    """The numbers that tables give the person."""
    numbers: set[int] = set()
    for schema, table in tables_of(connection):
        names = columns_of(connection, schema, table)
        if NUMBER in names and CUSTOMER in names:
            source = f"before.{quoted(schema)}.{quoted(table)}"
            query = f"select distinct {NUMBER} from {source} where {rows.condition([CUSTOMER])}"
            numbers |= {number for (number,) in connection.execute(query).fetchall()}
    return sorted(numbers)


def copy_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy the views; one whose files are gone could not be read before either."""
    query = "select sql from duckdb_views() where database_name = 'before' and not internal"
    for (sql,) in connection.execute(query).fetchall():
        try:
            connection.execute(sql)
        except duckdb.Error:
            continue
