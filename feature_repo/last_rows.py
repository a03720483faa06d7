"""The last row of each key at or before an instant, from a view's Parquet files, as Arrow batches.

Values come in the form the online store keeps them in. The compute engine writes them.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from feast import FeatureView, FileSource, ValueType
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL

from feature_repo.online_kinds import NO_INSTANT, Kind, key_kinds, kinds
from feature_repo.sql import literal, parquet, quoted

ROWS_A_BATCH = 20_000
MEMORY_LIMIT = "2GB"
SQL_TYPES = {
    ValueType.INT64: "bigint",
    ValueType.INT32: "integer",
    ValueType.DOUBLE: "double",
    ValueType.FLOAT: "float",
    ValueType.BOOL: "boolean",
}

# Over key columns alone: what is wide is read for the rows that are wanted.
LATEST = """
create temp table latest as
select {keys}, max({order}) as __last, count(*) as __rows
from ({rows})
group by all
"""
ROWS = """
select {columns}
from {source} as source
inner join latest on {same}
order by {keys}
"""


@dataclass(frozen=True)
class Source:
    """The files of a view, and what its columns are called there.

    Parameters
    ----------
    view : FeatureView
    files : list of str
    keys, features : dict
        Name in Feast -> name in the files.
    instant, created : str
        The columns of the event timestamp and of the created timestamp (may be None).
    """

    view: FeatureView
    files: list[str]
    keys: dict[str, str]
    features: dict[str, str]
    instant: str
    created: str | None

    @property
    def relation(self) -> str:
        return parquet(self.files)

    @property
    def state(self) -> list[list[Any]]:
        """What changes when somebody writes to the files: names, sizes, times."""
        return [[file, os.stat(file).st_size, os.stat(file).st_mtime_ns] for file in self.files]


def source_of(view: FeatureView) -> Source | None:
    """The files of a view; None where it is not just rows of local Parquet files."""
    source = view.batch_source
    if type(view) is not FeatureView or not isinstance(source, FileSource) or "://" in source.path:
        return None
    path = Path(source.path)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if source.timestamp_field == "" or not files or any(file.suffix != ".parquet" for file in files):
        return None
    there = {name: original for original, name in (source.field_mapping or {}).items()}
    named = lambda names: {name: there.get(name, name) for name in names}  # noqa: E731
    created = source.created_timestamp_column
    return Source(
        view,
        [str(file) for file in files],
        named(key for key in view.join_keys if key != DUMMY_ENTITY_ID),
        named(field.name for field in view.features),
        there.get(source.timestamp_field, source.timestamp_field),
        there.get(created, created) if created else None,
    )


@dataclass(frozen=True)
class Wanted:
    """Which rows of a source.

    Parameters
    ----------
    until : datetime
        The instant as of which, naive UTC.
    since : datetime or None
        Only keys with a row after this instant, and those of ``again``.
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
        source = self.source
        keys = ", ".join(f"source.{quoted(name)}" for name in source.keys.values()) or "1"
        same = [f"source.{quoted(name)} = latest.{quoted(key)}" for key, name in source.keys.items()]
        if not source.keys:
            same = ["true"]
        same.append(f"{order_of(source, 'source')} = latest.__last")
        query = ROWS.format(
            columns=", ".join(self._columns()), source=source.relation, same=" and ".join(same), keys=keys
        )
        yield from self.connection.execute(query).to_arrow_reader(ROWS_A_BATCH)

    def _columns(self) -> Iterator[str]:
        source, view = self.source, self.source.view
        described = self.connection.execute(f"describe from {source.relation}").fetchall()
        types = {name: type_ for name, type_, *_ in described}
        for key, kind in key_kinds(view).items():
            if key not in source.keys:
                yield f"{literal(DUMMY_ENTITY_VAL)} as {quoted(key)}"
                continue
            name = source.keys[key]
            yield f"{plain(quoted(name), types[name], kind, 'source.')} as {quoted(key)}"
        yield f"{as_text(f'source.{quoted(source.instant)}', types[source.instant])} as event_timestamp"
        created = source.created and as_text(f"source.{quoted(source.created)}", types[source.created])
        yield f"{created or 'null::varchar'} as __created"
        for feature, kind in kinds(view).items():
            name = source.features[feature]
            yield f"{plain(quoted(name), types[name], kind, 'source.')} as {quoted(feature)}"


@contextmanager
def last_rows(source: Source, wanted: Wanted) -> Iterator[LastRows]:
    """Find the rows wanted; a database in memory that overflows into a temporary folder."""
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute("set memory_limit = $1", [MEMORY_LIMIT])
        connection.execute("set temp_directory = $1", [spill])
        connection.execute("set timezone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        names = ", ".join(f"{quoted(name)} as {quoted(key)}" for key, name in source.keys.items())
        again = " union ".join(f"select {names} from {parquet([file])}" for file in wanted.again)
        nobody = ", ".join(f"null as {quoted(key)}" for key in source.keys)
        connection.execute(f"create temp table again as {again or f'select {nobody or 1} where false'}")
        latest = LATEST.format(
            keys=names or "1 as __one",
            order=order_of(source),
            rows=" union all ".join(candidates(connection, source, wanted)),
        )
        connection.execute(latest, {"until": wanted.until} | after(source, wanted))
        yield LastRows(connection, source)


def candidates(connection: duckdb.DuckDBPyConnection, source: Source, wanted: Wanted) -> Iterator[str]:
    """The rows among which the last ones are, as selects: those since an instant, and all of some keys.

    A row may come twice. Each select has a filter of its own, so that files in whose statistics no row fits
    are not read.
    """
    rows = f"select source.* from {source.relation} as source"
    known = f"source.{quoted(source.instant)} <= $until"
    known += "".join(f" and source.{quoted(name)} is not null" for name in source.keys.values())
    if wanted.after is not None:
        names = ", ".join(f"source.{quoted(name)}" for name in source.keys.values())
        places = ", ".join(f"$after_{place}" for place in range(len(wanted.after)))
        known += f" and ({names}) > ({places})"
    if wanted.since is None:
        yield f"{rows} where {known}"
        return
    since = f"{literal(wanted.since.isoformat())}::timestamp"
    yield f"{rows} where {known} and source.{quoted(source.instant)} > {since}"
    if source.keys and connection.execute("select count(*) from again").fetchall()[0][0]:
        same = [f"source.{quoted(name)} = again.{quoted(key)}" for key, name in source.keys.items()]
        yield f"{rows} semi join again on {' and '.join(same)} where {known}"


def after(source: Source, wanted: Wanted) -> dict[str, Any]:
    """The parameters of the key to begin after."""
    return {f"after_{place}": value for place, value in enumerate(wanted.after or ())}


def order_of(source: Source, table: str | None = None) -> str:
    """What makes one row of a key later than another."""
    prefix = f"{table}." if table else ""
    instant = f"{prefix}{quoted(source.instant)}"
    if not source.created:
        return instant
    never = "timestamp '-infinity'"
    created = f"coalesce({prefix}{quoted(source.created)}::timestamp, {never})"
    return f"struct_pack(at := {instant}::timestamp, made := {created})"


def plain(column: str, sql_type: str, kind: Kind, prefix: str = "") -> str:
    """A column as the online store keeps it; what it keeps as a message stays as it is."""
    name, is_time = f"{prefix}{column}", sql_type.startswith(("TIMESTAMP", "DATE"))
    if kind.type is ValueType.STRING:
        if is_time:
            return as_text(name, sql_type)
        return name if sql_type == "VARCHAR" else f"{name}::varchar"
    if kind.type is ValueType.UNIX_TIMESTAMP:
        seconds = f"epoch(date_trunc('second', {name}::timestamp))" if is_time else name
        return f"coalesce({seconds}::bigint, {NO_INSTANT})"
    if kind.type in SQL_TYPES:
        return f"{name}::{SQL_TYPES[kind.type]}"
    return name


def as_text(column: str, sql_type: str) -> str:
    """An instant or a date as text, in UTC."""
    if sql_type == "DATE":
        return f"strftime({column}, '%Y-%m-%d')"
    return f"strftime({column}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')"
