"""Sources of raw tables: a folder or a database URL, read as batches."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Protocol

import duckdb

from ml.common.errors import SourceError, UsageError
from ml.ingest.api_tables import Pulls, stage_api
from ml.ingest.batch import Batch, plural
from ml.ingest.contract import Table
from ml.ingest.csv_files import stage_csv
from ml.ingest.databases import DatabaseTables, attach, parse_url, stage_database
from ml.ingest.declaration import raw_tables
from ml.ingest.file_names import format_of, table_of
from ml.ingest.folders import Listing, list_tables
from ml.ingest.mysql_server import is_mysql
from ml.ingest.mysql_tables import open_mysql
from ml.ingest.parquet_files import stage_parquet
from ml.ingest.sql_files import stage_sql
from ml.ingest.value_formats import UTF8
from ml.ingest.workbooks import open_workbook, sheet_names, sheet_of, stage_sheet


class Source(Protocol):
    """A source of raw tables."""

    @property
    def label(self) -> str:
        """Its name in messages and manifests."""

    @property
    def names(self) -> list[str]:
        """The raw tables it has."""

    @property
    def not_read(self) -> list[str]:
        """Every file of the source that belongs to no table and no writer."""

    @property
    def files(self) -> dict[str, int]:
        """The number of files of each raw table; empty if tables are no files."""

    def batches(self, connection: duckdb.DuckDBPyConnection, table: Table, temp_folder: Path) -> list[Batch]:
        """The batches of ``table``; ``temp_folder`` is for copies of files that DuckDB cannot read."""


@dataclass(frozen=True)
class Folder:
    """Raw tables as files."""

    root: Path
    listing: Listing
    pulls: Pulls
    encoding: str = UTF8

    @property
    def label(self) -> str:
        return str(self.root)

    @property
    def names(self) -> list[str]:
        return list(self.listing.tables)

    @property
    def not_read(self) -> list[str]:
        return self.listing.not_read

    @property
    def files(self) -> dict[str, int]:
        return {name: len(paths) for name, paths in self.listing.tables.items()}

    def batches(self, connection: duckdb.DuckDBPyConnection, table: Table, work: Path) -> list[Batch]:
        paths = self.listing.tables.get(table.name, [])
        files = {path.relative_to(self.root).as_posix(): path for path in paths}
        parquet, sql, books, apis, texts = (
            {label: path for label, path in files.items() if format_of(path.name) in formats}
            for formats in (("parquet",), ("sql",), ("xlsx",), ("api",), ("csv", "json"))
        )
        batches = stage_parquet(connection, table, self.root, parquet, f"{table.name}_parquet")
        for number, (label, path) in enumerate(sql.items()):
            batches.append(stage_sql(connection, table, label, path, f"{table.name}_query_{number}", work))
        for number, (label, path) in enumerate(books.items()):
            sheet = sheet_of(path, label, table.name)
            relation = f"{table.name}_sheet_{number}"
            batches.append(stage_sheet(connection, table, path, label, sheet, relation))
        batches += stage_api(connection, table, apis, work, self.pulls)
        return batches + stage_csv(connection, table, texts, f"{table.name}_csv", work, self.encoding)


@dataclass(frozen=True)
class Workbook:
    """Raw tables as sheets of one Excel workbook."""

    path: Path
    sheets: dict[str, str]
    not_read: list[str]

    @property
    def label(self) -> str:
        return str(self.path)

    @property
    def names(self) -> list[str]:
        return list(self.sheets)

    @property
    def files(self) -> dict[str, int]:
        return {}

    def batches(self, connection: duckdb.DuckDBPyConnection, table: Table, work: Path) -> list[Batch]:
        if table.name not in self.sheets:
            return []
        sheet = self.sheets[table.name]
        return [stage_sheet(connection, table, self.path, self.path.name, sheet, f"{table.name}_sheet")]


@dataclass(frozen=True)
class Database(DatabaseTables):
    """Raw tables as tables of a schema."""

    def batches(self, connection: duckdb.DuckDBPyConnection, table: Table, work: Path) -> list[Batch]:
        if table.name not in self.listing:
            return []
        return [
            stage_database(connection, table, self.address, self.listing[table.name], f"{table.name}_sql")
        ]


def open_source(
    source: str | PathLike[str], connection: duckdb.DuckDBPyConnection, pulls: Pulls, encoding: str = UTF8
) -> Source:
    """The source behind a folder's path or a database URL; ``encoding`` is that of text files."""
    root = Path(source).expanduser().resolve()
    is_folder = "://" not in str(source) and not root.is_file()
    if encoding != UTF8 and not is_folder:
        # The source is not repeated: its URL may hold a password.
        raise UsageError("--encoding is that of CSV, TSV and JSON files: a workbook or database says its own")
    if is_mysql(str(source)):
        return open_mysql(str(source))
    if "://" in str(source):
        address = parse_url(str(source))
        return Database(address, *attach(connection, address))
    if root.is_file() and format_of(root.name) == "xlsx":
        return open_sheets(root)
    return Folder(root, list_tables(root), pulls, encoding)


def open_sheets(path: Path) -> Workbook:
    """The sheets of a workbook that bear tables' names; of a workbook that bears one, its sheet."""
    shown, hidden = sheet_names(open_workbook(path, path.name))
    by_name: dict[str, list[str]] = {}
    for sheet in shown:
        by_name.setdefault(sheet.strip().lower(), []).append(sheet)
    sheets = {table.name: by_name[table.name] for table in raw_tables() if table.name in by_name}
    for name, same in sheets.items():
        if len(same) > 1:
            raise SourceError(f"{path.name} holds the table {name} more than once, as {' and '.join(same)}")
    if not sheets and (table_name := table_of(path.name, False)):
        sheets = {table_name: [sheet_of(path, path.name, table_name)]}
    if not sheets:
        names = ", ".join(table.name for table in raw_tables())
        raise SourceError(
            f"{path.name} has no sheet of a raw table, only {', '.join(shown)}: name its sheets {names}"
        )
    chosen = {name: same[0] for name, same in sheets.items()}
    others = [f"sheet {sheet}" for sheet in shown if sheet not in chosen.values()]
    return Workbook(path, chosen, [*others, *(f"sheet {sheet} (hidden)" for sheet in hidden)])


def require_tables(source: Source) -> None:
    """Raise a SourceError unless every required table is there."""
    missing = [table.name for table in raw_tables() if table.required and table.name not in source.names]
    if missing:
        raise SourceError(f"{source.label} lacks the required {plural('table', missing)}")
