"""Raw tables of a MySQL or MariaDB database, by URL, copied from one snapshot.

``mysql://user@host:port/database`` comes in, and a batch for each table goes out. The server writes a row as
one line of CSV with every digit, for a driver in Python is fast where a row is one field. Texts and bytes are
hexadecimal in it, so that nothing in them can break a line.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ml.common.errors import SourceError, TidemarkError
from ml.common.sql import literal, quoted
from ml.ingest.batch import FILE, ROW, Batch, match_columns, source_errors
from ml.ingest.contract import Table
from ml.ingest.databases import Address, DatabaseTables, find_table, near_misses
from ml.ingest.declaration import raw_tables
from ml.ingest.mysql_server import Server, connected, execute, parse_mysql_url

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import SSCursor

# DuckDB's own limit of a line, which longer ones raise.
LINE_BYTES = 2 << 20

BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"}
BYTES |= {"geometry", "point", "linestring", "polygon", "geometrycollection", "geomcollection"}
BYTES |= {"multipoint", "multilinestring", "multipolygon"}
# Types whose text has no comma, quote or line end.
PLAIN = ("date", "datetime", "timestamp", "time", "decimal")
INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "year")
DECIMAL_DIGITS_MAX = 38

SESSION = (
    # TIMESTAMP is shown in the zone of the session.
    "set session time_zone = '+00:00'",
    "set session transaction isolation level repeatable read",
    "start transaction with consistent snapshot, read only",
)
COLUMNS = """
select table_name, column_name, lower(data_type), lower(column_type), numeric_precision, numeric_scale
from information_schema.columns
where table_schema = database()
order by table_name, ordinal_position
"""

READ = """
create table {relation}_copy as
select {values}
from read_csv(
    {path}, auto_detect = false, header = false, columns = {columns}, delim = ',', quote = '',
    new_line = '\\n', nullstr = '', max_line_size = {longest}
);
create view {relation} as
select *, {label} as {FILE}, rowid + 1 as {ROW} from {relation}_copy
"""


@dataclass(frozen=True)
class SourceColumn:
    """A column as the server describes it."""

    name: str
    data_type: str
    column_type: str
    precision: int
    scale: int

    @property
    def is_hexadecimal(self) -> bool:
        """Whether its values go over the wire as hexadecimal digits, which no text breaks out of."""
        return self.sql_type in ("VARCHAR", "BLOB") and self.data_type not in PLAIN

    @property
    def csv_field(self) -> str:
        """The server's SQL for a value as a field of CSV that needs no quotes; nothing if it is null."""
        name = backticked(self.name)
        text = f"cast({name} as char character set utf8mb4)"
        if self.is_hexadecimal:
            text = f"hex({name if self.data_type in BYTES else text})"
        elif self.data_type == "bit":
            text = f"{name} + 0"
        elif self.data_type == "timestamp":
            text = f"concat({text}, 'Z')"
        # Not ifnull(): a text that grows beyond the largest packet is null too, and must make the line null.
        return f"if({name} is null, '', {text})"

    @property
    def sql_type(self) -> str:
        """The type in DuckDB; instants stay text, so that 0000-00-00 is rejected with its reason."""
        if self.data_type in BYTES:
            return "BLOB"
        if self.data_type in INTEGERS or self.data_type == "bit":
            return "UBIGINT" if "unsigned" in self.column_type or self.data_type == "bit" else "BIGINT"
        if self.data_type == "decimal" and self.precision <= DECIMAL_DIGITS_MAX:
            return f"DECIMAL({self.precision},{self.scale})"
        return "DOUBLE" if self.data_type in ("float", "double") else "VARCHAR"

    def value(self, field_name: str) -> str:
        """DuckDB's SQL for the value of a field of CSV."""
        if self.is_hexadecimal:
            return f"unhex({field_name})" if self.sql_type == "BLOB" else f"decode(unhex({field_name}))"
        return field_name if self.sql_type == "VARCHAR" else f"{field_name}::{self.sql_type}"


@dataclass(frozen=True)
class Copy:
    """The rows of one table as a file of CSV."""

    path: Path
    rows: int
    longest: int


@dataclass(frozen=True)
class MySqlTables(DatabaseTables):
    """Raw tables as tables of a MySQL or MariaDB database.

    Parameters
    ----------
    server : Server
    columns : dict
        Table to its columns.
    copies : dict
        Raw table to the copy of its rows; all are made when the first is read.
    """

    server: Server
    columns: dict[str, list[SourceColumn]]
    copies: dict[str, Copy] = field(default_factory=dict)

    def batches(self, connection: duckdb.DuckDBPyConnection, table: Table, work: Path) -> list[Batch]:
        if table.name not in self.listing:
            return []
        if not self.copies:
            self.copies.update(self.copy_tables(work))
        return [self.stage(connection, table, self.copies[table.name])]

    def copy_tables(self, work: Path) -> dict[str, Copy]:
        """Every table as a file in ``work``: the snapshot lasts no longer than the copying."""
        for table in raw_tables():
            if table.name in self.listing:
                self.match(table)
        with connected(self.server, self.label) as connection:
            for statement in SESSION:
                execute(connection, statement)
            return {
                name: copy_table(connection, actual, self.columns[actual], work / f"{name}.lines", self.label)
                for name, actual in self.listing.items()
            }

    def match(self, table: Table) -> dict[str, tuple[str, str]]:
        """The table's columns by the names of the contract."""
        actual = self.listing[table.name]
        types = {column.name: column.sql_type for column in self.columns[actual]}
        return match_columns(table, f"{self.server.database}.{actual}", types)

    def stage(self, connection: duckdb.DuckDBPyConnection, table: Table, copy: Copy) -> Batch:
        """Read the lines of one table into DuckDB."""
        actual = self.listing[table.name]
        columns = self.columns[actual]
        relation, label = f"{table.name}_mysql", f"{self.server.database}.{actual}"
        fields = {
            "relation": relation,
            "values": ", ".join(
                f"{column.value(f'c{number}')} as {quoted(column.name)}"
                for number, column in enumerate(columns)
            ),
            "path": literal(copy.path),
            "columns": "{" + ", ".join(f"c{number}: 'VARCHAR'" for number in range(len(columns))) + "}",
            "longest": max(copy.longest, LINE_BYTES),
            "label": literal(actual),
            "FILE": FILE,
            "ROW": ROW,
        }
        with source_errors(label):
            connection.execute(READ.format(**fields))
        ((rows,),) = connection.execute(f"select count(*) from {relation}_copy").fetchall()
        if rows != copy.rows:
            raise TidemarkError(
                f"{label}: {copy.rows} rows came, {rows} were read; please report this defect"
            )
        copy.path.unlink()
        return Batch(table, label, relation, self.match(table))


def open_mysql(url: str) -> MySqlTables:
    """The raw tables of a database.

    Raises
    ------
    UsageError
        The URL says no database, or something else that is not understood.
    SourceError
        The database cannot be reached, or has no raw table, or one under two names.
    """
    server, label = parse_mysql_url(url)
    address = Address("mysql", "", server.database, label)
    columns: dict[str, list[SourceColumn]] = {}
    with connected(server, label) as connection:
        for table_name, column_name, data_type, column_type, precision, scale in execute(connection, COLUMNS):
            columns.setdefault(table_name, []).append(
                SourceColumn(column_name, data_type, column_type, int(precision or 0), int(scale or 0))
            )
    tables = {table.name: find_table(address, table.name, list(columns)) for table in raw_tables()}
    listing = {name: actual for name, actual in tables.items() if actual}
    others = near_misses(list(columns))
    if not listing:
        hint = f": it holds {', '.join(others)}" if others else ""
        raise SourceError(f"{label} holds no raw table in its database {server.database}{hint}")
    return MySqlTables(address, listing, others, server, columns)


def copy_table(
    connection: "Connection[Any]", name: str, columns: list[SourceColumn], path: Path, label: str
) -> Copy:
    """Write every row of one table to ``path``, as the server streams them."""
    from pymysql.cursors import SSCursor

    line = ", ',', ".join(column.csv_field for column in columns)
    # As bytes the driver hands them on undecoded.
    select = f"select cast(concat({line}) as binary) from {backticked(name)}"
    rows, longest = 0, 0
    cursor = connection.cursor(SSCursor)
    try:
        cursor.execute(select)
        with path.open("wb", buffering=1 << 20) as file:
            for (row,) in cursor.fetchall_unbuffered():
                if row is None:
                    raise SourceError(
                        f"{label} cannot be read: a row of {name} is longer than the server's "
                        "max_allowed_packet: raise it, or put a view without the long column in its place"
                    )
                rows, longest = rows + 1, max(longest, len(row))
                file.write(row + b"\n")
    finally:
        let_go(cursor)
    return Copy(path, rows, longest + 1)


def let_go(cursor: "SSCursor") -> None:
    """Close a cursor without its rest: its own close() would first read every row that is left."""
    if cursor._result is not None:
        cursor._result.unbuffered_active = False
    cursor.connection = None


def backticked(name: str) -> str:
    """An identifier as the server quotes it."""
    return "`" + name.replace("`", "``") + "`"
