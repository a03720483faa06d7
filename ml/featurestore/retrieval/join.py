"""The values in force at each as-of instant: the join of entity rows with histories, in DuckDB.

``entity_row_checks`` and ``feast_entity_rows`` have checked the entity rows, ``asof_plans`` finds the rows in
force; this module fetches their values, one group of columns at a time, and reads them by slices.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from ml.common.duckdb_engine import Engine
from ml.common.errors import FeatureError
from ml.common.instant_grammar import sentence_of
from ml.common.sql import parquet, quoted
from ml.featurestore.retrieval.asof_plans import EntityIndex, find_matches
from ml.featurestore.retrieval.history import (
    POSITION,
    ROW_BITS,
    History,
    in_full,
    key_condition,
    microseconds,
)

INSTANT = "instant"
# Column names with blanks, which no feature has.
ENTITY_ROW, ROW_CREATED, ROW_POSITION, ROW_TIME = (
    '"entity row"',
    '"row created"',
    '"row position"',
    '"row time"',
)


@dataclass(frozen=True)
class Group:
    """Columns of one history that are joined together, as one table.

    Parameters
    ----------
    name : str
        The name of the table.
    history : History
    entity_columns : sequence of str
        The columns of the entity rows that the keys of the history are matched with, one for each.
    columns : mapping
        Name in the table -> column of the history.
    """

    name: str
    history: History
    entity_columns: Sequence[str]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class JoinedValues:
    """The values in force, by group and entity row, in a database of their own."""

    engine: Engine
    groups: Sequence[Group]
    plans: Mapping[str, str]

    @classmethod
    def find(
        cls,
        instants: pa.ChunkedArray,
        keys: Mapping[str, pa.ChunkedArray],
        groups: Sequence[Group],
        memory_limit: str,
        plan: str | None = None,
    ) -> "JoinedValues":
        """Join ``groups``.

        Parameters
        ----------
        instants : ChunkedArray of timestamp[us]
            The as-of instants, UTC; a null matches no row.
        keys : mapping
            Column of the entity rows -> its values; a null matches no row.
        groups : sequence of Group
        memory_limit : str
            The memory of DuckDB; more goes to a temporary folder. A few numbers for each entity row come on
            top.
        plan : str, optional
            One of ``asof_plans.PLANS``; by default the cheapest for each group.
        """
        with ExitStack() as cleanup:
            engine = Engine(memory_limit)
            cleanup.callback(engine.close)
            connection = engine.connection
            connection.register("entity_rows", entity_table(instants, keys))
            indexes = {
                columns: index_entities(connection, columns)
                for columns in {tuple(group.entity_columns) for group in groups}
            }
            connection.unregister("entity_rows")
            plans = {}
            for group in groups:
                with read_errors(group.history, "joined"):
                    plans[group.name] = look_up(connection, group, indexes[tuple(group.entity_columns)], plan)
            cleanup.pop_all()
            return cls(engine, groups, plans)

    def __enter__(self) -> "JoinedValues":
        return self

    def __exit__(self, *_: object) -> None:
        """Free memory and disk."""
        self.engine.close()

    def types(self, group: str) -> dict[str, str]:
        """Column of a group -> SQL type."""
        described = self.engine.connection.execute(f"describe {quoted(group)}").fetchall()
        return {name: kind for name, kind, *_ in described}

    def read(self, columns: Sequence[str], first: int, end: int) -> pa.Table:
        """The values for the entity rows from ``first`` to before ``end``; null without a match.

        Parameters
        ----------
        columns : sequence of str
            SQL over the groups' columns, each with its name (``... as ...``).
        """
        names = [quoted(group.name) for group in self.groups]
        in_range = f"where {ENTITY_ROW} >= {first} and {ENTITY_ROW} < {end}"
        joins = [f"left join (from {name} {in_range}) as {name} using ({ENTITY_ROW})" for name in names]
        selected = ", ".join([ENTITY_ROW, *columns])
        query = [f"select {selected} from range({first}, {end}) as entity_rows({ENTITY_ROW})", *joins]
        query.append(f"order by {ENTITY_ROW}")
        return self.engine.connection.execute(" ".join(query)).to_arrow_table().remove_column(0)


def entity_table(instants: pa.ChunkedArray, keys: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """Entity rows for DuckDB: their number, instant and keys."""
    rows = pa.array(np.arange(len(instants), dtype="int32"))
    key_columns = {
        # Arrow cannot compare views of text, which DuckDB has it do.
        key_column(name): values.cast(pa.large_string()) if pa.types.is_string_view(values.type) else values
        for name, values in keys.items()
    }
    return pa.table({"row": rows, INSTANT: instants, **key_columns})


def key_column(name: str) -> str:
    """The column of an entity key, whose name clashes with no other."""
    return f"key {name}"


def index_entities(connection: duckdb.DuckDBPyConnection, by: Sequence[str]) -> EntityIndex:
    """Number the owners that some columns name, and sort the entity rows by owner and instant."""
    name = " ".join(["by", *by])
    owners, keys = quoted(f"owners {name}"), quoted(f"keys {name}")
    names = [quoted(key_column(column)) for column in by]
    has_no_null = " and ".join([f"{INSTANT} is not null", *(f"{column} is not null" for column in names)])
    distinct = f"select distinct {', '.join(names) or '1 as one'} from entity_rows where {has_no_null}"
    numbered = "(row_number() over () - 1)::integer as number"
    connection.execute(f"create temp table {owners} as select *, {numbered} from ({distinct})")
    on = f"using ({', '.join(names)})" if names else "on true"
    connection.execute(f"""
        create temp table {keys} as
        select entity_rows.row, owners.number, epoch_us(entity_rows.{INSTANT}) as {INSTANT}
        from entity_rows
        inner join {owners} as owners {on}
        where {has_no_null}
        order by owners.number, entity_rows.{INSTANT}
    """)
    kinds = {column: kind for column, kind, *_ in connection.execute(f"describe {owners}").fetchall()}
    sizes = f"select count(*), min({INSTANT}), max({INSTANT}), (select count(*) from {owners}) from {keys}"
    ((rows, first, last, owner_count),) = connection.execute(sizes).fetchall()
    return EntityIndex(owners, keys, kinds, rows, owner_count, first, last)


def look_up(
    connection: duckdb.DuckDBPyConnection, group: Group, entities: EntityIndex, plan: str | None
) -> str:
    """Make the table of one group, sorted by entity row; return the plan."""
    history, types = group.history, group.history.types(connection)
    created = [history.created] if history.created else []
    columns = [*history.keys, history.instant, *created, *group.columns.values()]
    history.check_columns(group.name, columns, types)
    on = "true"
    if entities.rows:
        on = key_conditions(group, entities, types)
        plan_used, has_position = find_matches(connection, history, entities, on, types, plan)
    else:
        connection.execute("create or replace temp table matches (row integer, position bigint)")
        plan_used, has_position = "none", True
    if has_position:
        fetch(connection, group)
    else:
        fetch_latest(connection, group, on, types)
    connection.execute("drop table matches")
    return plan_used


def key_conditions(group: Group, entities: EntityIndex, types: Mapping[str, str]) -> str:
    """The SQL condition that matches ``source``, a row of the history, with ``owners``."""
    pairs = zip(group.entity_columns, group.history.keys, strict=True)
    on = [
        key_condition(
            f"owners.{quoted(key_column(name))}",
            entities.kinds[key_column(name)],
            f"source.{quoted(column)}",
            types[column],
            name,
        )
        for name, column in pairs
    ]
    return " and ".join(on) or "true"


def fetch(connection: duckdb.DuckDBPyConnection, group: Group) -> None:
    """Make a table of the values of the matched rows; only files with such a row are opened.

    Files that differ are all read, because the types of the columns depend on all of them.
    """
    history = group.history
    file_numbers = connection.execute(
        f"select distinct position >> {ROW_BITS} as file from matches order by file"
    ).fetchall()
    numbers = range(len(history.files)) if history.is_mixed else [number for (number,) in file_numbers] or [0]
    relation = parquet(
        [history.files[number] for number in numbers], "file_row_number = true", *history.read_options
    )
    columns = [f"source.{quoted(column)} as {quoted(name)}" for name, column in group.columns.items()]
    connection.execute(f"""
        create temp table {quoted(group.name)} as
        select {", ".join([f"matches.row as {ENTITY_ROW}", *columns])}
        from matches
        inner join {relation} as source
            on source.file_index = list_position({list(numbers)}, matches.position >> {ROW_BITS}) - 1
                and source.file_row_number = matches.position & {(1 << ROW_BITS) - 1}
        order by matches.row
    """)


def fetch_latest(
    connection: duckdb.DuckDBPyConnection, group: Group, on: str, types: Mapping[str, str]
) -> None:
    """Make a table of the values of the matched rows, where rows of one instant may tie.

    Of those the one written last is in force, and of these the last in the files.
    """
    history = group.history
    time = microseconds(f"source.{quoted(history.instant)}", types[history.instant])
    created = created_in_full = "null"
    if history.created:
        created = microseconds(f"source.{quoted(history.created)}", types[history.created])
        created_in_full = in_full(f"source.{quoted(history.created)}", types[history.created])
    columns = [
        f"owners.row as {ENTITY_ROW}",
        f"{created_in_full} as {ROW_CREATED}",
        f"{POSITION} as {ROW_POSITION}",
    ]
    columns += [f"{in_full(f'source.{quoted(history.instant)}', types[history.instant])} as {ROW_TIME}"]
    columns += [f"source.{quoted(column)} as {quoted(name)}" for name, column in group.columns.items()]
    connection.execute(f"""
        create temp table {quoted(group.name)} as
        select {", ".join(columns)}
        from matches as owners
        inner join {history.relation} as source on {on} and {time} = owners.time
        where {f"{created} <= owners.instant" if history.is_cut_off else "true"}
        order by owners.row
    """)
    ties = f"select count(*) > count(distinct {ENTITY_ROW}) from {quoted(group.name)}"
    if connection.execute(ties).fetchall() == [(True,)]:
        latest = f"{ROW_TIME} desc, {ROW_CREATED} desc nulls last, {ROW_POSITION} desc"
        order = f"partition by {ENTITY_ROW} order by {latest}"
        connection.execute(f"""
            create or replace temp table {quoted(group.name)} as
            from {quoted(group.name)} qualify row_number() over ({order}) = 1 order by {ENTITY_ROW}
        """)


@contextmanager
def read_errors(history: History, action: str) -> Iterator[None]:
    """Turn an error of DuckDB into a sentence: which history could not be read or joined (``action``)."""
    try:
        yield
    except duckdb.Error as error:
        sentence = sentence_of(error)
        folder = os.path.dirname(history.files[0]) or history.files[0]
        remedy = (
            "free memory and disk space, or run 'churn build' again"
            if history.is_unique
            else "look at its files"
        )
        if sentence:
            raise FeatureError(f"{folder} could not be {action}: {sentence}") from None
        raise FeatureError(
            f"{folder} could not be {action}: {str(error).splitlines()[0]}; {remedy}"
        ) from error
