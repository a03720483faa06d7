"""A database schema of raw tables, by URL, copied into the staging database from one snapshot.

``duckdb:///path``, ``sqlite:///path``, ``postgresql://user@host/db``, each with or without ``?schema=s``.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import duckdb

from ml.common.errors import SourceError, UsageError
from ml.common.sql import literal, quoted
from ml.ingest.batch import FILE, ROW, Batch, match_columns, source_errors
from ml.ingest.contract import Table
from ml.ingest.declaration import raw_tables
from ml.ingest.file_names import looks_like

SCHEMAS = {"duckdb": "main", "sqlite": "main", "postgresql": "public"}
# Tables of mysql:// are read by mysql_tables; the extension is what SQL files attach such a database by.
EXTENSIONS = {"sqlite": "sqlite_scanner", "postgresql": "postgres_scanner", "mysql": "mysql_scanner"}
EXTRAS = {"sqlite": "sqlite", "postgresql": "postgres", "mysql": "mysql"}
CATALOG = "source"
SYSTEM_SCHEMAS = ("information_schema", "pg_catalog")

READ = """
create table {relation}_copy as select * from {qualified};
create view {relation} as
select *, {label} as {file}, rowid + 1 as {row} from {relation}_copy
"""


@dataclass(frozen=True)
class Address:
    """The parts of a database URL.

    Parameters
    ----------
    scheme : str
        duckdb, sqlite or postgresql.
    target : str
        The path or URL for DuckDB to attach.
    schema : str
    label : str
        Its name in messages and manifests: the URL without its password.
    password : str, optional
    """

    scheme: str
    target: str
    schema: str
    label: str
    password: str | None = None


@dataclass(frozen=True)
class DatabaseTables:
    """The raw tables that a database has.

    Parameters
    ----------
    address : Address
    listing : dict of str to str
        Raw table to its name there.
    not_read : list of str
        Tables that look like one and are none.
    """

    address: Address
    listing: dict[str, str]
    not_read: list[str]

    @property
    def label(self) -> str:
        return self.address.label

    @property
    def names(self) -> list[str]:
        return list(self.listing)

    @property
    def files(self) -> dict[str, int]:
        return {}


def parse_url(url: str) -> Address:
    """Take ``url`` apart.

    Raises
    ------
    UsageError
        Its scheme is unknown, or the file it names does not exist.
    """
    pieces = urlsplit(url)
    scheme = "postgresql" if pieces.scheme == "postgres" else pieces.scheme
    if scheme not in SCHEMAS:
        known = ", ".join(f"{name}://" for name in (*SCHEMAS, "mysql", "mariadb"))
        raise UsageError(
            f"{pieces.scheme}:// is no source of raw tables: give a folder or a URL with {known}"
        )
    query = dict(parse_qsl(pieces.query))
    schema = query.pop("schema", SCHEMAS[scheme])
    label = url.replace(f":{pieces.password}@", ":***@") if pieces.password else url
    if scheme == "postgresql":
        target = urlunsplit((scheme, pieces.netloc, pieces.path, urlencode(query), ""))
        return Address(scheme, target, schema, label, pieces.password)
    return Address(scheme, str(database_file(unquote(pieces.netloc + pieces.path), url)), schema, label)


def database_file(path: str, url: str) -> Path:
    """The file of a URL: ``///a`` is /a, or a if there is no /a; ``////a`` is /a."""
    absolute = Path("/" + path.lstrip("/"))
    for candidate in (absolute, Path(path.lstrip("/"))):
        if candidate.is_file():
            return candidate.resolve()
    raise UsageError(f"{url} names the file {absolute}, which does not exist")


def attach(connection: duckdb.DuckDBPyConnection, address: Address) -> tuple[dict[str, str], list[str]]:
    """Attach the database read-only; return its raw tables by name, and notes on tables that look like one.

    Raises
    ------
    SourceError
        It cannot be reached or read, has no raw table, or one under two names.
    """
    if address.scheme in EXTENSIONS:
        load_extension(connection, address.scheme)
    options = "read_only" if address.scheme == "duckdb" else f"type {EXTRAS[address.scheme]}, read_only"
    with source_errors(address.label, address.password):
        if address.scheme == "sqlite":
            connection.execute("set sqlite_all_varchar = true")
        connection.execute(f"attach {literal(address.target)} as {CATALOG} ({options})")
        rows = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = ? order by all",
            [CATALOG],
        ).fetchall()
    names = [name for schema, name in rows if schema == address.schema]
    tables = {table.name: find_table(address, table.name, names) for table in raw_tables()}
    others = [*near_misses(names), *tables_in_other_schemas(address, rows)]
    if not any(tables.values()):
        hint = f": it holds {', '.join(others)}" if others else ""
        raise SourceError(f"{address.label} holds no raw table in its schema {address.schema}{hint}")
    return {name: actual for name, actual in tables.items() if actual}, others


def find_table(address: Address, name: str, names: list[str]) -> str | None:
    """The one of ``names`` that is the table ``name``, in any case.

    Raises
    ------
    SourceError
        There are several, which differ only by case.
    """
    matches = [other for other in names if other.lower() == name]
    if len(matches) > 1:
        raise SourceError(
            f"{address.label} holds the table {name} more than once, as {' and '.join(matches)}: keep one"
        )
    return matches[0] if matches else None


def near_misses(names: list[str]) -> list[str]:
    """Tables that look like a raw table under another name."""
    known = {table.name for table in raw_tables()}
    similar = {name: looks_like(name, inside=False) for name in names if name.lower() not in known}
    return [f"{name} (perhaps the table {table}: name it so)" for name, table in similar.items() if table]


def tables_in_other_schemas(address: Address, rows: list[tuple[str, str]]) -> list[str]:
    """Tables that bear a raw table's name in another schema."""
    known = {table.name for table in raw_tables()}
    return [
        f"{schema}.{name} (in another schema: ?schema={schema})"
        for schema, name in rows
        if schema not in (address.schema, *SYSTEM_SCHEMAS) and name.lower() in known
    ]


def load_extension(connection: duckdb.DuckDBPyConnection, scheme: str) -> None:
    """Load the DuckDB extension for ``scheme`` from its installed package; nothing is downloaded.

    Raises
    ------
    SourceError
        The package is not installed, or was made for another DuckDB.
    """
    name, extra = EXTENSIONS[scheme], EXTRAS[scheme]
    try:
        package = import_module(f"duckdb_extension_{name}")
    except ImportError as error:
        raise SourceError(
            f"reading {scheme}:// needs an extension that is not installed: pip install 'tidemark[{extra}]'"
        ) from error
    version = connection.execute("pragma version").fetchall()[0][0]
    file = Path(str(package.__file__)).parent / "extensions" / version / f"{name}.duckdb_extension"
    if not file.is_file():
        raise SourceError(
            f"{file.parent.parent} has no {name} for DuckDB {version}: pip install 'tidemark[{extra}]'"
        )
    connection.execute(f"load {literal(file)}")


def stage_database(
    connection: duckdb.DuckDBPyConnection, table: Table, address: Address, name: str, relation: str
) -> Batch:
    """Copy one table into ``relation``."""
    label = f"{address.schema}.{name}"
    qualified = f"{CATALOG}.{quoted(address.schema)}.{quoted(name)}"
    fields = {
        "relation": relation,
        "file": FILE,
        "row": ROW,
        "label": literal(name),
        "qualified": qualified,
    }
    with source_errors(label, address.password):
        rows = connection.execute(f"describe select * from {qualified}").fetchall()
        columns = match_columns(table, label, {row[0]: row[1] for row in rows})
        connection.execute(READ.format(**fields))
    return Batch(table, label, relation, columns)
