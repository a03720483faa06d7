"""The last row of each key at or before an instant, from a view's Parquet files, as Arrow batches.

Values have the form that the online store writes; the compute engine is next.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_VAL

from ml.common.memory import memory_limit
from ml.common.sql import literal, parquet, quoted
from ml.featurestore.feast_types import feast_sql
from ml.featurestore.offline.view_source import Source
from ml.featurestore.online.column_selection import declared_features, declared_keys
from ml.featurestore.online.value_kinds import key_kinds
from ml.featurestore.retrieval.history import ROW_BITS, microseconds, since_1970, within

BATCH_ROWS = 20_000  # of one transaction: short enough for readers and for a killed run to repeat
MEMORY_LIMIT = "2GB"

# Over key columns alone; all other columns are read for the selected rows only.
LATEST_ROWS = """
create temp table latest as
select {keys}, {last} as __last, count(*) as __rows
from ({rows}) as source
group by all
having count(*) > 0
"""
ROWS = """
select {columns}
from {source} as source
inner join latest on {same}
order by {keys}
"""


@dataclass(frozen=True)
class RowSelection:
    """A selection of rows of a source.

    Parameters
    ----------
    until : datetime
        The as-of instant, naive UTC.
    since : datetime or None
        Only keys with a row since this instant, and those of ``changed_files``.
    changed_files : list of str
        Parquet files of keys that are selected whatever the instants of their rows.
    after : tuple or None
        Only keys after this one, in their order.
    """

    until: datetime
    since: datetime | None = None
    changed_files: Sequence[str] = ()
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class LastRows:
    """The selected rows of one source, identified but not read yet."""

    connection: duckdb.DuckDBPyConnection
    source: Source

    def count(self) -> tuple[int, int]:
        """The number of keys, and of their rows up to the instant."""
        query = "select count(*), coalesce(sum(__rows), 0)::bigint from latest"
        keys, rows = self.connection.execute(query).fetchall()[0]
        return keys, rows

    def changed_keys(self) -> list[tuple[Any, ...]]:
        """The keys of ``changed_files``, whose old rows are deleted first."""
        return self.connection.execute("from changed_keys").fetchall()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Keys, event timestamp, created timestamp, then features; in the order of the keys."""
        keys = ", ".join(f"latest.{quoted(key)}" for key in self.source.keys) or "1"
        query = ROWS.format(
            columns=", ".join(self._columns()),
            source=self.source.relation,
            same=" and ".join(is_last_row(self.source)),
            keys=keys,
        )
        yield from self.connection.execute(query).to_arrow_reader(BATCH_ROWS)

    def _columns(self) -> Iterator[str]:
        source, types = self.source, self.source.types
        for key in key_kinds(source.view):
            key_sql = f"latest.{quoted(key)}" if key in source.keys else literal(DUMMY_ENTITY_VAL)
            yield f"{key_sql} as {quoted(key)}"
        yield f"{instant_text(source.history.instant, types)} as event_timestamp"
        created = source.history.created
        yield f"{instant_text(created, types) if created else 'null::varchar'} as __created"
        for feature, declared in declared_features(source.view).items():
            name = source.features[feature]
            yield f"{declared.sql(f'source.{quoted(name)}', types[name])} as {quoted(feature)}"


@contextmanager
def last_rows(source: Source, selection: RowSelection) -> Iterator[LastRows]:
    """Find the selected rows, in a database in memory that spills to a temporary folder.

    Raises
    ------
    FeatureError
        Files outside a build cannot be read, or have values that cannot be put online unchanged.
    """
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection, source.read_errors():
        connection.execute("set memory_limit = $1", [memory_limit(MEMORY_LIMIT)])
        connection.execute("set temp_directory = $1", [spill])
        connection.execute("set timezone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        names = ", ".join(f"{sql} as {quoted(key)}" for key, sql in stored_keys(source).items())
        changed_keys = " union ".join(
            f"select {names} from {parquet([file])} as source" for file in selection.changed_files
        )
        null_keys = ", ".join(f"null as {quoted(key)}" for key in source.keys)
        connection.execute(
            f"create temp table changed_keys as {changed_keys or f'select {null_keys or 1} where false'}"
        )
        instant = f"max(source.{quoted(source.history.instant)}::timestamp)"
        latest = LATEST_ROWS.format(
            keys=names or "1 as __one",
            # rows of a build are identified by their instant, others by their position
            last=instant if source.is_build else source.latest(),
            rows=" union all ".join(candidates(connection, source, selection)),
        )
        connection.execute(latest, {f"after_{index}": key for index, key in enumerate(selection.after or ())})
        yield LastRows(connection, source)


def stored_keys(source: Source) -> dict[str, str]:
    """Join key -> the SQL for it in the form that the online store writes."""
    declared = declared_keys(source.view)
    return {
        key: declared[key].sql(f"source.{quoted(name)}", source.types[name])
        for key, name in source.keys.items()
    }


def candidates(
    connection: duckdb.DuckDBPyConnection, source: Source, selection: RowSelection
) -> Iterator[str]:
    """Selects of the rows among which the last ones are: those since an instant, and all of the changed keys.

    A row may come twice. Each select has its own filter, so that files whose statistics exclude every row are
    not read. Files of a build never change, so the rows of the first instant have been read before.
    """
    instant, keys = source.history.instant, stored_keys(source)
    until = since_1970(selection.until)
    since = since_1970(selection.since) + source.is_build if selection.since else None
    inside = within(f"source.{quoted(instant)}", source.types[instant], None, until)
    window = within(f"source.{quoted(instant)}", source.types[instant], since, until)
    conditions = "".join(f" and source.{quoted(name)} is not null" for name in source.keys.values())
    if selection.after is not None:
        parameters = ", ".join(f"$after_{index}" for index in range(len(selection.after)))
        conditions += f" and ({', '.join(keys.values())}) > ({parameters})"
    file_index = "" if source.is_build else ", source.file_index"
    rows = f"select source.*{file_index} from {source.relation} as source"
    yield f"{rows} where {window}{conditions}"
    if (
        selection.since
        and source.keys
        and connection.execute("select 1 from changed_keys limit 1").fetchone()
    ):
        same = " and ".join(f"{sql} = changed_keys.{quoted(key)}" for key, sql in keys.items())
        yield f"{rows} semi join changed_keys on {same} where {inside}{conditions}"


def is_last_row(source: Source) -> list[str]:
    """The SQL conditions for the last row of a key."""
    if source.is_build:
        conditions = [f"source.{quoted(name)} = latest.{quoted(key)}" for key, name in source.keys.items()]
        return [*conditions, f"source.{quoted(source.history.instant)}::timestamp = latest.__last"]
    return [
        f"source.file_index = latest.__last >> {ROW_BITS}",
        f"source.file_row_number = latest.__last & {(1 << ROW_BITS) - 1}",
    ]


def instant_text(column: str, types: dict[str, str]) -> str:
    """The SQL for an instant as text, in UTC, rounded up to the microsecond as in the offline store."""
    return feast_sql(
        f"make_timestamp({microseconds(f'source.{quoted(column)}', types[column])})", "TIMESTAMP"
    )
