"""Where raw tables come from: a folder or a database URL, each giving parts to check."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Protocol

import duckdb

from ml.common.errors import SourceError
from ml.ingest.batch import Part, plural
from ml.ingest.contract import Table
from ml.ingest.csv_files import stage_csv
from ml.ingest.databases import Address, attach, parse_url, stage_database
from ml.ingest.declaration import raw_tables
from ml.ingest.file_names import format_of
from ml.ingest.folders import Listing, list_tables, shortened
from ml.ingest.parquet_files import stage_parquet


class Source(Protocol):
    """A place that holds raw tables."""

    @property
    def label(self) -> str:
        """What messages and records call it."""

    @property
    def names(self) -> list[str]:
        """The raw tables it holds."""

    @property
    def notes(self) -> list[str]:
        """What the person should know before the work starts."""

    @property
    def not_read(self) -> list[str]:
        """Every file of the source that is no table's and no writer's own."""

    @property
    def files(self) -> dict[str, int]:
        """How many files each raw table has; empty where tables are no files."""

    def parts(self, connection: duckdb.DuckDBPyConnection, table: Table, work: Path) -> list[Part]:
        """Everything it holds of ``table``; ``work`` is a folder for what must be rewritten first."""


@dataclass(frozen=True)
class Folder:
    """Raw tables as files."""

    root: Path
    found: Listing

    @property
    def label(self) -> str:
        return str(self.root)

    @property
    def names(self) -> list[str]:
        return list(self.found.tables)

    @property
    def notes(self) -> list[str]:
        return [f"not read: {shortened(self.not_read)}"] if self.not_read else []

    @property
    def not_read(self) -> list[str]:
        return self.found.not_read

    @property
    def files(self) -> dict[str, int]:
        return {name: len(paths) for name, paths in self.found.tables.items()}

    def parts(self, connection: duckdb.DuckDBPyConnection, table: Table, work: Path) -> list[Part]:
        paths = self.found.tables.get(table.name, [])
        files = {path.relative_to(self.root).as_posix(): path for path in paths}
        parquet = {label: path for label, path in files.items() if format_of(path.name) == "parquet"}
        texts = {label: path for label, path in files.items() if label not in parquet}
        parts = stage_parquet(connection, table, self.root, parquet, f"{table.name}_parquet")
        return parts + stage_csv(connection, table, texts, f"{table.name}_csv", work)


@dataclass(frozen=True)
class Database:
    """Raw tables as tables of a schema."""

    address: Address
    found: dict[str, str]
    not_read: list[str]

    @property
    def label(self) -> str:
        return self.address.label

    @property
    def names(self) -> list[str]:
        return list(self.found)

    @property
    def notes(self) -> list[str]:
        return [f"not read: {shortened(self.not_read)}"] if self.not_read else []

    @property
    def files(self) -> dict[str, int]:
        return {}

    def parts(self, connection: duckdb.DuckDBPyConnection, table: Table, work: Path) -> list[Part]:
        if table.name not in self.found:
            return []
        return [stage_database(connection, table, self.address, self.found[table.name], f"{table.name}_sql")]


def open_source(source: str | PathLike[str], connection: duckdb.DuckDBPyConnection) -> Source:
    """The source behind a folder's path or a database URL."""
    if "://" in str(source):
        address = parse_url(str(source))
        return Database(address, *attach(connection, address))
    root = Path(source).expanduser().resolve()
    return Folder(root, list_tables(root))


def require_tables(source: Source) -> None:
    """SourceError unless every required table is there."""
    missing = [table.name for table in raw_tables() if table.required and table.name not in source.names]
    if missing:
        raise SourceError(f"{source.label} lacks the required {plural('table', missing)}")
