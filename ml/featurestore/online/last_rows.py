"""The last row of each key at or before an instant, from a view's Parquet files, as Arrow batches.

Values come in the form the online store keeps them in. The compute engine writes them.
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
from ml.featurestore.feast_types import carried
from ml.featurestore.offline.view_source import Source
from ml.featurestore.online.column_selection import declared_features, declared_keys
from ml.featurestore.online.value_kinds import key_kinds
from ml.featurestore.retrieval.history import ROWS_A_FILE, microseconds, since_1970, within

ROWS_A_BATCH = 20_000
MEMORY_LIMIT = "2GB"

# Over key columns alone: what is wide is read for the rows that are wanted.
LATEST = """
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
class Wanted:
    """Which rows of a source.

    Parameters
    ----------
    until : datetime
        The instant as of which, naive UTC.
    since : datetime or None
        Only keys with a row since this instant, and those of ``again``.
    again : list of str
        Parquet files of keys that are wanted whatever their rows' instants.
    after : tuple or None
        Only keys after this one, in their order.
    """

    until: datetime
    since: datetime | None = None
    again: Sequence[str] = ()
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class LastRows:
    """The rows wanted of one source, found but not read yet."""

    connection: duckdb.DuckDBPyConnection
    source: Source

    def count(self) -> tuple[int, int]:
        """How many keys, and how many rows of theirs up to the instant."""
        query = "select count(*), coalesce(sum(__rows), 0)::bigint from latest"
        keys, rows = self.connection.execute(query).fetchall()[0]
        return keys, rows

    def keys(self) -> list[tuple[Any, ...]]:
        """The keys themselves."""
        return self.connection.execute("select * exclude (__last, __rows) from latest").fetchall()

    def again(self) -> list[tuple[Any, ...]]:
        """The keys that are written again whatever was there."""
        return self.connection.execute("from again").fetchall()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Keys, event timestamp, created timestamp, then features; in the order of the keys."""
        keys = ", ".join(f"latest.{quoted(key)}" for key in self.source.keys) or "1"
        query = ROWS.format(
            columns=", ".join(self._columns()),
            source=self.source.relation,
            same=" and ".join(same_row(self.source)),
            keys=keys,
        )
        yield from self.connection.execute(query).to_arrow_reader(ROWS_A_BATCH)

    def _columns(self) -> Iterator[str]:
        source, types = self.source, self.source.types
        for key in key_kinds(source.view):
            own = f"latest.{quoted(key)}" if key in source.keys else literal(DUMMY_ENTITY_VAL)
            yield f"{own} as {quoted(key)}"
        yield f"{moment(source.history.instant, types)} as event_timestamp"
        created = source.history.created
        yield f"{moment(created, types) if created else 'null::varchar'} as __created"
        for feature, declared in declared_features(source.view).items():
            name = source.features[feature]
            yield f"{declared.sql(f'source.{quoted(name)}', types[name])} as {quoted(feature)}"


@contextmanager
def last_rows(source: Source, wanted: Wanted) -> Iterator[LastRows]:
    """Find the rows wanted; a database in memory that overflows into a temporary folder.

    Raises
    ------
    FeatureError
        Files that are of no build cannot be read, or would not come online as they are.
    """
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection, source.readable():
        connection.execute("set memory_limit = $1", [memory_limit(MEMORY_LIMIT)])
        connection.execute("set temp_directory = $1", [spill])
        connection.execute("set timezone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        names = ", ".join(f"{sql} as {quoted(key)}" for key, sql in kept_keys(source).items())
        again = " union ".join(f"select {names} from {parquet([file])} as source" for file in wanted.again)
        nobody = ", ".join(f"null as {quoted(key)}" for key in source.keys)
        connection.execute(f"create temp table again as {again or f'select {nobody or 1} where false'}")
        latest = LATEST.format(
            keys=names or "1 as __one",
            last=last_of(source),
            rows=" union all ".join(candidates(connection, source, wanted)),
        )
        connection.execute(latest, after(wanted))
        yield LastRows(connection, source)


def kept_keys(source: Source) -> dict[str, str]:
    """Join key -> the SQL for it as the online store keeps it."""
    declared = declared_keys(source.view)
    return {
        key: declared[key].sql(f"source.{quoted(name)}", source.types[name])
        for key, name in source.keys.items()
    }


def candidates(connection: duckdb.DuckDBPyConnection, source: Source, wanted: Wanted) -> Iterator[str]:
    """The rows among which the last ones are, as selects: those since an instant, and all of some keys.

    A row may come twice. Each select has a filter of its own, so that files in whose statistics no row fits
    are not read. Files of a build never change, so there the rows of the first instant have been read.
    """
    instant, keys = source.history.instant, kept_keys(source)
    until = since_1970(wanted.until)
    since = since_1970(wanted.since) + source.is_build if wanted.since else None
    inside = within(f"source.{quoted(instant)}", source.types[instant], None, until)
    window = within(f"source.{quoted(instant)}", source.types[instant], since, until)
    known = "".join(f" and source.{quoted(name)} is not null" for name in source.keys.values())
    if wanted.after is not None:
        places = ", ".join(f"$after_{place}" for place in range(len(wanted.after)))
        known += f" and ({', '.join(keys.values())}) > ({places})"
    place = "" if source.is_build else ", source.file_index"
    rows = f"select source.*{place} from {source.relation} as source"
    yield f"{rows} where {window}{known}"
    if wanted.since and source.keys and connection.execute("select 1 from again limit 1").fetchone():
        same = " and ".join(f"{sql} = again.{quoted(key)}" for key, sql in keys.items())
        yield f"{rows} semi join again on {same} where {inside}{known}"


def after(wanted: Wanted) -> dict[str, Any]:
    """The parameters of the key to begin after."""
    return {f"after_{place}": value for place, value in enumerate(wanted.after or ())}


def last_of(source: Source) -> str:
    """The SQL for what tells a key's last row: the instant where no two rows are of one, else the place."""
    if source.is_build:
        return f"max(source.{quoted(source.history.instant)}::timestamp)"
    return source.latest()


def same_row(source: Source) -> list[str]:
    """The conditions that a row is the last of its key."""
    if source.is_build:
        same = [f"source.{quoted(name)} = latest.{quoted(key)}" for key, name in source.keys.items()]
        return [*same, f"source.{quoted(source.history.instant)}::timestamp = latest.__last"]
    return [
        f"source.file_index = latest.__last >> {ROWS_A_FILE}",
        f"source.file_row_number = latest.__last & {(1 << ROWS_A_FILE) - 1}",
    ]


def moment(column: str, types: dict[str, str]) -> str:
    """The SQL for an instant as text, in UTC; what is finer than a microsecond is rounded up, as offline."""
    return carried(f"make_timestamp({microseconds(f'source.{quoted(column)}', types[column])})", "TIMESTAMP")
