"""The row of a history in force at each as-of instant: three plans that agree, and the choice between them.

``two_step`` pairs every entity row with every row of its owner up to the as-of instant, and takes the latest:
over key columns alone, in parallel, in memory that grows with the entity rows only. ``search`` streams the
history past the sorted entity rows: bisection finds the first entity row that a row can be in force for, and
the later ones of its owner inherit it; time grows with the logarithm of the entity rows per owner, memory
with the entity rows. ``asof`` is DuckDB's own join, which sorts both sides.

All plans read only files and row groups whose statistics admit a row that counts.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa

from ml.common.sql import quoted
from ml.featurestore.retrieval.history import BEFORE_ALL, POSITION, History, microseconds, within

# Large enough for numpy to be efficient, small enough to stay within tens of megabytes.
BATCH_ROWS = 250_000
# Where the plans cross, as measured by benchmarks.retrieval.
ENTITY_ROWS_PER_OWNER_MAX = 8
HISTORY_ROWS_PER_ENTITY_ROW_MAX = 4
# The most groups of DuckDB's perfect hash aggregate, whose threshold is a number of bits.
GROUPS_MAX = 1 << 20
NO_POSITION = -1


@dataclass(frozen=True)
class EntityIndex:
    """Entity rows in DuckDB, indexed by the columns that name their owner.

    Parameters
    ----------
    owners : str
        Table of the distinct keys: ``number`` from 0, and the keys.
    keys : str
        Table sorted by ``number`` and ``instant``: ``row`` (from 0), ``number``, ``instant`` (microseconds).
    kinds : mapping
        Column of ``owners`` -> SQL type.
    rows, owner_count : int
        The number of entity rows and owners.
    first, last : int, optional
        The earliest and latest as-of instant; None if no entity row has keys and an instant.
    """

    owners: str
    keys: str
    kinds: Mapping[str, str]
    rows: int
    owner_count: int
    first: int | None
    last: int | None


def two_step(
    connection: duckdb.DuckDBPyConnection, history: History, entities: EntityIndex, rows: str
) -> None:
    """Pair entity rows with rows of the history, and take the latest."""
    # Numbered groups are counted off instead of hashed, as long as they fit.
    connection.execute(f"set perfect_ht_threshold = {20 if entities.rows <= GROUPS_MAX else 12}")
    known = "and history.created <= keys.instant" if history.is_cut_off else ""
    connection.execute(f"""
        create or replace temp table latest as
        select keys.row, max(history.time) as time,
            {"arg_max(history.position, history.time)" if history.is_unique else NO_POSITION} as position
        from ({rows}) as history
        inner join {entities.keys} as keys using (number)
        where history.time <= keys.instant {known}
        group by keys.row
    """)


def asof(connection: duckdb.DuckDBPyConnection, history: History, entities: EntityIndex, rows: str) -> None:
    """Let DuckDB sort and merge; not for rows that become known after their instant."""
    if history.is_cut_off:
        raise ValueError("an as-of join knows one order of time, and rows that become known later have two")
    connection.execute(f"""
        create or replace temp table latest as
        select keys.row, history.time, history.position
        from {entities.keys} as keys
        asof inner join ({rows}) as history on keys.number = history.number and keys.instant >= history.time
    """)


def search(connection: duckdb.DuckDBPyConnection, history: History, entities: EntityIndex, rows: str) -> None:
    """Note each row of the history at the first entity row it is in force for; later ones inherit it.

    Of rows for one instant the last in the files is noted.
    """
    keys = connection.execute(f"select row, number, instant from {entities.keys}").to_arrow_table()
    slots = Slots.of(keys["number"].to_numpy(), keys["instant"].to_numpy(), entities.owner_count)
    reader = connection.execute(f"select * from ({rows})").to_arrow_reader(BATCH_ROWS)
    for batch in read_ahead(reader):
        slots.note(*(batch.column(name).to_numpy() for name in ("number", "visible", "time", "position")))
    slots.inherit()
    has_match = slots.time > BEFORE_ALL
    columns = {"row": keys["row"].to_numpy(), "time": slots.time, "position": slots.position}
    connection.register(
        "latest_rows", pa.table({name: values[has_match] for name, values in columns.items()})
    )
    connection.execute("create or replace temp table latest as from latest_rows")
    connection.unregister("latest_rows")


def read_ahead(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Batches; the next one is read while the caller works on one."""
    with ThreadPoolExecutor(1) as pool:
        next_batch = pool.submit(next, reader, None)
        while (batch := next_batch.result()) is not None:
            next_batch = pool.submit(next, reader, None)
            yield batch


@dataclass(frozen=True)
class Slots:
    """For each entity row, sorted by owner and instant, the latest row noted there.

    Parameters
    ----------
    start, count : ndarray of shape (owners + 1,), (owners,)
        Where an owner's entity rows begin, and how many there are.
    instants : ndarray of shape (entity rows + padding,)
        As-of instants; the padding prevents a bisection from reading past the end.
    time, position : ndarray of shape (entity rows,)
        The instant and position of the noted row; ``BEFORE_ALL`` if there is none.
    """

    start: np.ndarray
    count: np.ndarray
    instants: np.ndarray
    time: np.ndarray
    position: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray, instants: np.ndarray, owners: int) -> "Slots":
        """Slots without any noted row."""
        start = np.searchsorted(numbers, np.arange(owners + 1))
        count = np.diff(start)
        padding = np.full(2 * int(count.max(initial=0)) + 1, np.iinfo(np.int64).max)
        return cls(
            start,
            count,
            np.append(instants, padding),
            np.full(len(instants), BEFORE_ALL),
            np.full(len(instants), NO_POSITION),
        )

    def note(
        self, numbers: np.ndarray, visible: np.ndarray, times: np.ndarray, positions: np.ndarray
    ) -> None:
        """Note rows of a history, each at the first entity row at or after it became visible."""
        slots, left = self.start[numbers], self.count[numbers]
        step = 1 << int(self.count.max(initial=0)).bit_length() >> 1
        while step:
            ahead = np.where((step <= left) & (self.instants[slots + step - 1] < visible), step, 0)
            slots, left = slots + ahead, left - ahead
            step >>= 1
        has_slot = left > 0
        slots, times, positions = slots[has_slot], times[has_slot], positions[has_slot]
        earlier = self.time[slots]
        np.maximum.at(self.time, slots, times)
        latest_time = self.time[slots]
        self.position[slots[latest_time > earlier]] = NO_POSITION
        is_latest = times == latest_time
        np.maximum.at(self.position, slots[is_latest], positions[is_latest])

    def inherit(self) -> None:
        """Carry noted rows forward to the owner's later entity rows, where they are the latest."""
        rank = np.arange(len(self.time)) - np.repeat(self.start[:-1], self.count)
        step = 1
        while step <= int(self.count.max(initial=0)):
            earlier_time, earlier_position = self.time[:-step].copy(), self.position[:-step].copy()
            is_later = (rank[step:] >= step) & (earlier_time > self.time[step:])
            self.time[step:][is_later] = earlier_time[is_later]
            self.position[step:][is_later] = earlier_position[is_later]
            step *= 2


PLANS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, History, EntityIndex, str], None]] = {
    "two_step": two_step,
    "search": search,
    "asof": asof,
}


def choose(rows: int, entities: EntityIndex, history: History, is_clustered: Callable[[], bool]) -> str:
    """The cheapest plan for a history of ``rows`` rows; ``is_clustered`` is called only if it matters.

    Sorting pays if the history has no more than a few times as many rows as there are entity rows, pairing in
    parallel if an owner has few entity rows and its history is clustered. Bisection is never slow.
    """
    if rows <= HISTORY_ROWS_PER_ENTITY_ROW_MAX * entities.rows and not history.is_cut_off:
        return "asof"
    few = entities.rows <= ENTITY_ROWS_PER_OWNER_MAX * entities.owner_count
    return "two_step" if few and is_clustered() else "search"


def find_matches(
    connection: duckdb.DuckDBPyConnection,
    history: History,
    entities: EntityIndex,
    on: str,
    types: Mapping[str, str],
    plan: str | None = None,
) -> tuple[str, bool]:
    """Make the table ``matches``: the row of the history in force for each entity row.

    It has ``row`` and ``position``, or if rows may tie ``row``, ``instant``, the keys of the owner and
    ``time``, the instant of the row in force (microseconds).

    Parameters
    ----------
    on : str
        How ``source``, a row of the history, is matched with ``owners``.
    types : mapping
        Column of the history -> SQL type.
    plan : str, optional
        One of ``PLANS``; by default the cheapest.

    Returns
    -------
    tuple of str and bool
        The plan, and whether the table has the position of the row.
    """
    if plan is None:
        is_clustered = partial(history.is_clustered, connection, types)
        plan = choose(history.count(connection), entities, history, is_clustered)
    PLANS[plan](connection, history, entities, history_rows(history, entities, on, types))
    if lifetime := history.lifetime_microseconds:
        connection.execute(f"""
            delete from latest using {entities.keys} as keys
            where latest.row = keys.row and latest.time < keys.instant - {lifetime}
        """)
    has_position = history.is_unique or (
        plan == "search" and not history.created and types[history.instant] != "TIMESTAMP_NS"
    )
    columns = (
        "latest.row, latest.position" if has_position else "latest.row, latest.time, keys.instant, owners.*"
    )
    joins = f"""
        inner join {entities.keys} as keys using (row)
        inner join {entities.owners} as owners using (number)
    """
    connection.execute(f"""
        create or replace temp table matches as
        select {columns}
        from latest
        {"" if has_position else joins}
    """)
    connection.execute("drop table latest")
    return plan, has_position


def history_rows(history: History, entities: EntityIndex, on: str, types: Mapping[str, str]) -> str:
    """The SQL for rows of the history of the indexed owners that may count for an as-of instant."""
    column = f"source.{quoted(history.instant)}"
    sql_type = types[history.instant]
    time = microseconds(column, sql_type)
    created = (
        microseconds(f"source.{quoted(history.created)}", types[history.created]) if history.created else "0"
    )
    lifetime = history.lifetime_microseconds
    first = entities.first - lifetime - 1 if lifetime and entities.first is not None else None
    return f"""
        select owners.number, {time} as time, {POSITION} as position, coalesce({created}, {BEFORE_ALL}) as
        created,
            {f"greatest({time}, {created})" if history.is_cut_off else time} as visible
        from {history.relation} as source
        inner join {entities.owners} as owners on {on}
        where {within(column, sql_type, first, entities.last)}
            {f"and {created} is not null" if history.is_cut_off else ""}
    """
