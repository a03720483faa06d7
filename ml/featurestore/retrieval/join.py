"""Which values held at each as-of instant: the join of entity rows with histories, in DuckDB.

Entity rows come checked (``customer_rows``, ``entity_rows``); ``asof_plans`` finds
the rows that held, and here their values are fetched, one group of columns at a time, and read by slices.
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
from ml.featurestore.retrieval.asof_plans import Asked, find_held
from ml.featurestore.retrieval.history import PLACE, ROWS_A_FILE, History, in_full, matched, microseconds

INSTANT = "instant"
# Features may be called anything; so none will be.
ASKED_ROW, CREATED, ITS_PLACE, ITS_TIME = '"entity row"', '"its writing"', '"its place"', '"its time"'


@dataclass(frozen=True)
class Group:
    """Columns of one history that are looked up together, and kept as one table.

    Parameters
    ----------
    name : str
        The table's.
    history : History
    asked_by : sequence of str
        The columns of the entity rows that the history's keys are matched with, one for each.
    columns : mapping
        Name in the table -> column of the history.
    """

    name: str
    history: History
    asked_by: Sequence[str]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class HeldValues:
    """The values that held, by group and row, in a database of their own."""

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
    ) -> "HeldValues":
        """Look up ``groups``.

        Parameters
        ----------
        instants : ChunkedArray of timestamp[us]
            The as-of instants, UTC; for a null nothing holds.
        keys : mapping
            Column of the entity rows -> its values; for a null nothing holds.
        groups : sequence of Group
        memory_limit : str
            What DuckDB may hold in memory; more goes to a temporary folder. Beside it a few numbers for each
            entity row are kept.
        plan : str, optional
            One of ``asof_plans.PLANS``; by default the cheapest for each group.
        """
        with ExitStack() as undone:
            engine = Engine(memory_limit)
            undone.callback(engine.close)
            connection = engine.connection
            connection.register("asked", asked_table(instants, keys))
            asked = {by: asked_rows(connection, by) for by in {tuple(group.asked_by) for group in groups}}
            connection.unregister("asked")
            plans = {}
            for group in groups:
                with readable(group.history, "joined"):
                    plans[group.name] = look_up(connection, group, asked[tuple(group.asked_by)], plan)
            undone.pop_all()
            return cls(engine, groups, plans)

    def __enter__(self) -> "HeldValues":
        return self

    def __exit__(self, *_: object) -> None:
        """Give memory and disk back."""
        self.engine.close()

    def types(self, group: str) -> dict[str, str]:
        """Column of a group -> SQL type."""
        described = self.engine.connection.execute(f"describe {quoted(group)}").fetchall()
        return {name: kind for name, kind, *_ in described}

    def read(self, columns: Sequence[str], first: int, end: int) -> pa.Table:
        """What held for the entity rows from ``first`` to before ``end``, in their order; null where nothing.

        Parameters
        ----------
        columns : sequence of str
            SQL over the groups' columns, each with its name (``... as ...``).
        """
        names = [quoted(group.name) for group in self.groups]
        part = f"where {ASKED_ROW} >= {first} and {ASKED_ROW} < {end}"
        joins = [f"left join (from {name} {part}) as {name} using ({ASKED_ROW})" for name in names]
        selected = ", ".join([ASKED_ROW, *columns])
        query = [f"select {selected} from range({first}, {end}) as asked({ASKED_ROW})", *joins]
        query.append(f"order by {ASKED_ROW}")
        return self.engine.connection.execute(" ".join(query)).to_arrow_table().remove_column(0)


def asked_table(instants: pa.ChunkedArray, keys: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """Entity rows as DuckDB takes them: their number, instant and keys."""
    rows = pa.array(np.arange(len(instants), dtype="int32"))
    own = {key(name): comparable(values) for name, values in keys.items()}
    return pa.table({"row": rows, INSTANT: instants, **own})


def comparable(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Keys of a type that Arrow can compare, as DuckDB has it do."""
    return values.cast(pa.large_string()) if pa.types.is_string_view(values.type) else values


def key(name: str) -> str:
    """The name of an asked key, apart from all others."""
    return f"key {name}"


def asked_rows(connection: duckdb.DuckDBPyConnection, by: Sequence[str]) -> Asked:
    """Number the owners among the rows asked by some columns, and sort the rows by owner and instant."""
    name = " ".join(["by", *by])
    owners, keys = quoted(f"owners {name}"), quoted(f"keys {name}")
    names = [quoted(key(column)) for column in by]
    known = " and ".join([f"{INSTANT} is not null", *(f"{column} is not null" for column in names)])
    distinct = f"select distinct {', '.join(names) or '1 as one'} from asked where {known}"
    numbered = "(row_number() over () - 1)::integer as number"
    connection.execute(f"create temp table {owners} as select *, {numbered} from ({distinct})")
    same = f"using ({', '.join(names)})" if names else "on true"
    connection.execute(f"""
        create temp table {keys} as
        select asked.row, owners.number, epoch_us(asked.{INSTANT}) as {INSTANT}
        from asked
        inner join {owners} as owners {same}
        where {known}
        order by owners.number, asked.{INSTANT}
    """)
    kinds = {column: kind for column, kind, *_ in connection.execute(f"describe {owners}").fetchall()}
    sizes = f"select count(*), min({INSTANT}), max({INSTANT}), (select count(*) from {owners}) from {keys}"
    ((rows, first, last, owner_count),) = connection.execute(sizes).fetchall()
    return Asked(owners, keys, kinds, rows, owner_count, first, last)


def look_up(connection: duckdb.DuckDBPyConnection, group: Group, asked: Asked, plan: str | None) -> str:
    """Make the table of one group, sorted by entity row; the plan it was found by."""
    history, types = group.history, group.history.types(connection)
    history.check_columns(group.name, used_columns(group), types)
    on = "true"
    if asked.rows:
        on = matching(group, asked, types)
        used, is_placed = find_held(connection, history, asked, on, types, plan)
    else:
        connection.execute("create or replace temp table held (row integer, place bigint)")
        used, is_placed = "none", True
    if is_placed:
        fetch(connection, group)
    else:
        fetch_settled(connection, group, on, types)
    connection.execute("drop table held")
    return used


def matching(group: Group, asked: Asked, types: Mapping[str, str]) -> str:
    """How ``source``, a row of the history, is matched with ``owners``."""
    pairs = zip(group.asked_by, group.history.keys, strict=True)
    on = [
        matched(
            f"owners.{quoted(key(name))}",
            asked.kinds[key(name)],
            f"source.{quoted(column)}",
            types[column],
            name,
        )
        for name, column in pairs
    ]
    return " and ".join(on) or "true"


def used_columns(group: Group) -> list[str]:
    """Every column that is read of a history."""
    history = group.history
    created = [history.created] if history.created else []
    return [*history.keys, history.instant, *created, *group.columns.values()]


def fetch(connection: duckdb.DuckDBPyConnection, group: Group) -> None:
    """Make a table of the values of the rows that held; only files with such a row are opened.

    Files that differ are all read, for their types come from all of them.
    """
    history = group.history
    found = connection.execute(
        f"select distinct place >> {ROWS_A_FILE} as file from held order by file"
    ).fetchall()
    numbers = range(len(history.files)) if history.is_mixed else [number for (number,) in found] or [0]
    relation = parquet(
        [history.files[number] for number in numbers], "file_row_number = true", *history.common
    )
    columns = [f"source.{quoted(column)} as {quoted(name)}" for name, column in group.columns.items()]
    connection.execute(f"""
        create temp table {quoted(group.name)} as
        select {", ".join([f"held.row as {ASKED_ROW}", *columns])}
        from held
        inner join {relation} as source
            on source.file_index = list_position({list(numbers)}, held.place >> {ROWS_A_FILE}) - 1
                and source.file_row_number = held.place & {(1 << ROWS_A_FILE) - 1}
        order by held.row
    """)


def fetch_settled(
    connection: duckdb.DuckDBPyConnection, group: Group, on: str, types: Mapping[str, str]
) -> None:
    """Make a table of the values of the rows that held, where rows of one instant may tie.

    Of those the one written last holds, and of these the last in the files.
    """
    history = group.history
    time = microseconds(f"source.{quoted(history.instant)}", types[history.instant])
    created = written = "null"
    if history.created:
        created = microseconds(f"source.{quoted(history.created)}", types[history.created])
        written = in_full(f"source.{quoted(history.created)}", types[history.created])
    columns = [f"owners.row as {ASKED_ROW}", f"{written} as {CREATED}", f"{PLACE} as {ITS_PLACE}"]
    columns += [f"{in_full(f'source.{quoted(history.instant)}', types[history.instant])} as {ITS_TIME}"]
    columns += [f"source.{quoted(column)} as {quoted(name)}" for name, column in group.columns.items()]
    connection.execute(f"""
        create temp table {quoted(group.name)} as
        select {", ".join(columns)}
        from held as owners
        inner join {history.relation} as source on {on} and {time} = owners.time
        where {f"{created} <= owners.instant" if history.is_cut_off else "true"}
        order by owners.row
    """)
    ties = f"select count(*) > count(distinct {ASKED_ROW}) from {quoted(group.name)}"
    if connection.execute(ties).fetchall() == [(True,)]:
        latest = f"{ITS_TIME} desc, {CREATED} desc nulls last, {ITS_PLACE} desc"
        order = f"partition by {ASKED_ROW} order by {latest}"
        connection.execute(f"""
            create or replace temp table {quoted(group.name)} as
            from {quoted(group.name)} qualify row_number() over ({order}) = 1 order by {ASKED_ROW}
        """)


@contextmanager
def readable(history: History, done: str) -> Iterator[None]:
    """Say in one sentence which history could not be ``done``."""
    try:
        yield
    except duckdb.Error as error:
        said = sentence_of(error)
        place = os.path.dirname(history.files[0]) or history.files[0]
        remedy = (
            "free memory and disk space, or run 'churn build' again"
            if history.is_unique
            else "look at its files"
        )
        if said:
            raise FeatureError(f"{place} could not be {done}: {said}") from None
        raise FeatureError(f"{place} could not be {done}: {str(error).splitlines()[0]}; {remedy}") from error
