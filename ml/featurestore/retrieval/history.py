"""A history: rows of Parquet files, each with its owner, its instant and perhaps the instant it was written.

Point-in-time retrieval reads it. ``asof_plans`` finds the row of a history in force at an instant.
"""

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from ml.common.errors import CatalogError, RowsError
from ml.common.instant_grammar import checked_instant, is_finer
from ml.common.sql import REMOTE, file_list, literal, parquet, quoted

# The position of a row is one number, in the order of files and of rows in them: the file's number in the
# high bits, the row's in the low 40, more rows than any Parquet file has.
ROW_BITS = 40
POSITION = f"(source.file_index::bigint << {ROW_BITS}) + source.file_row_number"
NO_EXPIRY = timedelta(0)
BEFORE_ALL = -(2**63)
DUCKDB_COLUMNS = ("file_index", "file_row_number")
HIDDEN_PREFIXES = (".", "_")
# Up to this share of row groups that begin before an earlier one ends, statistics still exclude most of them.
OVERLAP_MAX = 0.5
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# TIMESTAMP_NS ends in the year 2262, and starts in 1677.
NANOSECONDS_UNTIL = 9_000_000_000_000_000
TEXT_TYPES = ("VARCHAR",)
WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


@dataclass(frozen=True)
class History:
    """Rows over time.

    Parameters
    ----------
    files : sequence of str
        Parquet files; those of a build are of one schema, others may differ (see ``is_mixed``).
    keys : sequence of str
        The columns that name the owner of a row; none if all rows are of one owner.
    instant : str
        The column of instants from which a row is in force: of any unit, with a zone or in UTC. They count to
        the microsecond; finer fractions are rounded up, so that no row is seen too early (DuckDB cuts them
        off if the column has nanoseconds and a zone).
    created : str, optional
        The column of instants a row was written at: of two rows for one instant the one written later is in
        force; a row without it counts as the earliest.
    lifetime : timedelta
        How long a row is in force after its instant, both ends included; 0 is for ever.
    known_when_created : bool
        Whether rows count only from when they were written.
    is_unique : bool
        Whether no two rows have the same key and instant; then there are no ties. Of rows that tie in
        everything the last one in the files is in force.
    """

    files: Sequence[str]
    keys: Sequence[str]
    instant: str
    created: str | None = None
    lifetime: timedelta = NO_EXPIRY
    known_when_created: bool = False
    is_unique: bool = False

    @property
    def relation(self) -> str:
        """The rows with their positions, for a ``from`` clause."""
        return parquet(self.files, "file_row_number = true", *self.read_options)

    @property
    def rows(self) -> str:
        """The rows as the files have them, for a ``from`` clause."""
        return parquet(self.files, *self.read_options)

    @cached_property
    def is_mixed(self) -> bool:
        """Whether the files differ in columns or types; those of a build never do.

        By default DuckDB casts the values of every file to the types of the first, and loses those that do
        not fit.
        """
        if self.is_unique or len(self.files) == 1:
            return False
        query = f"""
            select count(distinct columns) > 1
            from (
                select list((name, duckdb_type, num_children) order by column_id) as columns
                from parquet_schema({file_list(self.files)})
                group by file_name
            )
        """
        with duckdb.connect() as connection:
            ((is_mixed,),) = connection.execute(query).fetchall()
        return bool(is_mixed)

    @property
    def read_options(self) -> list[str]:
        """Options for files that differ: each column gets the type that fits the values of every file."""
        return ["union_by_name = true"] if self.is_mixed else []

    @property
    def lifetime_microseconds(self) -> int:
        """How long a row is in force; 0 is for ever."""
        return self.lifetime // timedelta(microseconds=1)

    @property
    def is_cut_off(self) -> bool:
        """Whether a row may become known after its instant."""
        return self.known_when_created and self.created is not None

    def count(self, connection: duckdb.DuckDBPyConnection) -> int:
        """The number of rows, from the footers of the files."""
        query = (
            f"select coalesce(sum(num_rows), 0)::bigint from parquet_file_metadata({file_list(self.files)})"
        )
        ((rows,),) = connection.execute(query).fetchall()
        return int(rows)

    def is_clustered(self, connection: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> bool:
        """Whether an owner's rows lie together in a file: by the first key row groups hardly overlap."""
        if not self.keys:
            return True
        kind = "varchar" if types[self.keys[0]] in TEXT_TYPES else "double"
        query = f"""
            with groups as (
                select file_name, try_cast(stats_min_value as {kind}) as low,
                    try_cast(stats_max_value as {kind}) as high
                from parquet_metadata({file_list(self.files)})
                where path_in_schema = {literal(self.keys[0])}
            ),

            ordered as (
                select low, max(high) over earlier as before
                from groups
                window earlier as (
                    partition by file_name order by low rows between unbounded preceding and 1 preceding
                )
            )

            select coalesce(avg((low < before)::integer), 0) <= {OVERLAP_MAX} from ordered
        """
        ((is_clustered,),) = connection.execute(query).fetchall()
        return bool(is_clustered)

    def types(self, connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
        """Column -> SQL type.

        Raises
        ------
        CatalogError
            A column has a name that DuckDB keeps for itself.
        """
        described = connection.execute(f"describe select * from {self.rows}").fetchall()
        if reserved := [name for name, *_ in described if name.lower() in DUCKDB_COLUMNS]:
            raise CatalogError(
                f"{self.files[0]} has a column {reserved[0]}, a name DuckDB keeps for itself: rename it"
            )
        return {name: kind for name, kind, *_ in described}

    def check_columns(self, owner: str, names: Iterable[str], types: Mapping[str, str]) -> None:
        """Raise a CatalogError if the files lack one of the columns ``names`` that ``owner`` uses."""
        if missing := [name for name in names if name not in types]:
            name, file = missing[0], Path(self.files[0])
            is_folder = any(part.startswith(f"{name}=") for part in file.parts)
            remedy = ": what a folder is called is no column, write it into the files" if is_folder else ""
            raise CatalogError(f"{owner} has no column {name} in {file}{remedy}")


def files_in(path: str) -> list[str]:
    """The files of a source, sorted: those of a folder, the one, or those that a pattern stands for.

    Files of inner folders count too, but none whose name, or folder's name, begins with a dot or an
    underscore, as those of temporary files do. An existing path is no pattern, whatever its name.

    Raises
    ------
    CatalogError
        There are none.
    """
    location = Path(path)
    if REMOTE in path or location.is_file():
        return [path]
    if location.is_dir():
        files = (file for file in location.rglob("*.parquet") if file.is_file())
        names = sorted(
            str(file)
            for file in files
            if not any(part.startswith(HIDDEN_PREFIXES) for part in file.relative_to(location).parts)
        )
    else:
        names = sorted(glob.glob(path, recursive=True))
    if not names:
        if is_in_build(path):
            raise CatalogError(f"{path} has no Parquet files: run 'churn build' again")
        raise CatalogError(
            f"no Parquet files are at {path}: put them there, or give the source its right path"
        )
    return names


def is_in_build(path: str | Path) -> bool:
    """Whether a path is a feature folder of a build: ``builds/<build>/features/<model>``."""
    parts = Path(path).parts
    return len(parts) > 4 and parts[-2] == "features" and parts[-4] == "builds"


class Files(Sequence[str]):
    """The files of a source, listed when they are first needed, because Feast's jobs are lazy."""

    def __init__(self, path: str) -> None:
        self.path = path

    @cached_property
    def _names(self) -> list[str]:
        return files_in(self.path)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        return self._names[index]


def microseconds(column: str, kind: str) -> str:
    """The SQL for a column of instants as microseconds since 1970, UTC; what is finer is rounded up."""
    if kind == "TIMESTAMP_NS":
        # DuckDB's // cuts off towards zero, which rounds up before 1970 alone.
        return f"(epoch_ns({column}) + if(epoch_ns({column}) > 0, 999, 0)) // 1000"
    if kind in TEXT_TYPES:
        name = column.rpartition(".")[2].strip('"')
        return f"epoch_us({checked_instant(column, name)}) + {is_finer(column)}::bigint"
    return f"epoch_us({column})" if kind.startswith("TIMESTAMP") else f"epoch_us({column}::timestamp)"


def in_full(column: str, kind: str) -> str:
    """The SQL that orders a column of instants, also those within one microsecond."""
    return f"epoch_ns({column})" if kind == "TIMESTAMP_NS" else microseconds(column, kind)


def key_condition(entity_key: str, entity_type: str, column: str, sql_type: str, name: str) -> str:
    """The SQL that compares an entity key with a column of a history; whole numbers match text.

    Raises
    ------
    RowsError
        The two types have no value in common.
    """
    if entity_type in WHOLE_NUMBERS and sql_type in TEXT_TYPES:
        return f"{entity_key}::varchar = {column}"
    if (entity_type in TEXT_TYPES) != (sql_type in TEXT_TYPES):
        raise RowsError(
            f"{name} is {entity_type.lower()} in the entity rows but {sql_type.lower()} in the source"
        )
    return f"{entity_key} = {column}"


def bounded(
    history: History, names: Sequence[str], first: datetime, last: datetime, types: Mapping[str, str]
) -> str:
    """The SQL for the distinct keys (as ``names``) and instants of rows within a range; no null keys."""
    history.check_columns("the source", [*history.keys, history.instant], types)
    column = f"source.{quoted(history.instant)}"
    kind = types[history.instant]
    keys = [f"source.{quoted(key)} as {quoted(name)}" for key, name in zip(history.keys, names, strict=True)]
    time = f"make_timestamp({microseconds(column, kind)}) as event_timestamp"
    inside = [within(column, kind, since_1970(first), since_1970(last))]
    inside += [f"source.{quoted(key)} is not null" for key in history.keys]
    return (
        f"select distinct {', '.join([*keys, time])} from {history.relation} as source "
        f"where {' and '.join(inside)}"
    )


def within(column: str, kind: str, first: int | None, last: int | None) -> str:
    """The SQL that a column of instants lies in a range of microseconds, ends included; None is no end."""
    if kind in TEXT_TYPES:
        column = f"make_timestamp({microseconds(column, kind)})"
    ends = [(">=", first), ("<=", last)]
    return (
        " and ".join(f"{column} {sign} {instant_of(end, kind)}" for sign, end in ends if end is not None)
        or "true"
    )


def instant_of(microsecond: int, kind: str) -> str:
    """An instant in the type of the column it is compared with, or the nearest that it has."""
    if kind == "TIMESTAMP_NS":
        microsecond = min(max(microsecond, -NANOSECONDS_UNTIL), NANOSECONDS_UNTIL)
    typed = "timestamptz" if kind == "TIMESTAMP WITH TIME ZONE" else "timestamp"
    return f"make_timestamp({microsecond})::{typed}"


def since_1970(instant: datetime) -> int:
    """Microseconds; without a zone the instant is UTC."""
    zoned = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (zoned - EPOCH) // timedelta(microseconds=1)
