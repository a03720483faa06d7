"""Which row of a history held at each as-of instant: three plans that agree, and the choice between them.

``two_step`` pairs every entity row with every row of its owner up to the as-of instant, and keeps the latest
instant of each: over key columns alone, in parallel, in memory that grows with the entity rows only.
``search`` streams the history past the entity rows, which are sorted: a row is noted at the first entity row
that it can hold for, found by bisection, and the later ones of its owner inherit it; the work grows with the
logarithm of the entity rows an owner has, memory with the entity rows. ``asof`` is DuckDB's own join, which
sorts both sides.

Each reads only files and row groups whose statistics admit a row that counts.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa

from ml.common.sql import quoted
from ml.featurestore.retrieval.history import BEFORE_ALL, PLACE, History, microseconds, within

BATCH = 250_000
# Where the plans cross, as measured by benchmarks.retrieval.
ASKED_AN_OWNER_MAX = 8
ROWS_AN_ASKED_MAX = 4
GROUPS_MAX = 1 << 20
NO_PLACE = -1


@dataclass(frozen=True)
class Asked:
    """Rows asked by the same columns, in DuckDB, by owner.

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
        The earliest and latest as-of instant; None when no row asks anything.
    """

    owners: str
    keys: str
    kinds: Mapping[str, str]
    rows: int
    owner_count: int
    first: int | None
    last: int | None


def two_step(connection: duckdb.DuckDBPyConnection, history: History, asked: Asked, seen: str) -> None:
    """Pair, and keep the latest."""
    # Numbered groups are counted off instead of hashed, as long as they fit.
    connection.execute(f"set perfect_ht_threshold = {20 if asked.rows <= GROUPS_MAX else 12}")
    known = "and seen.created <= keys.instant" if history.is_cut_off else ""
    connection.execute(f"""
        create or replace temp table latest as
        select keys.row, max(seen.time) as time,
            {"arg_max(seen.place, seen.time)" if history.is_unique else NO_PLACE} as place
        from ({seen}) as seen
        inner join {asked.keys} as keys using (number)
        where seen.time <= keys.instant {known}
        group by keys.row
    """)


def asof(connection: duckdb.DuckDBPyConnection, history: History, asked: Asked, seen: str) -> None:
    """Let DuckDB sort and merge; not for rows that may be unknown at first."""
    if history.is_cut_off:
        raise ValueError("an as-of join knows one order of time, and rows that become known later have two")
    connection.execute(f"""
        create or replace temp table latest as
        select keys.row, seen.time, seen.place
        from {asked.keys} as keys
        asof inner join ({seen}) as seen on keys.number = seen.number and keys.instant >= seen.time
    """)


def search(connection: duckdb.DuckDBPyConnection, history: History, asked: Asked, seen: str) -> None:
    """Note each row of the history where it first holds, then let later entity rows inherit.

    Of rows for one instant the last in the files is noted.
    """
    keys = connection.execute(f"select row, number, instant from {asked.keys}").to_arrow_table()
    slots = Slots.of(keys["number"].to_numpy(), keys["instant"].to_numpy(), asked.owner_count)
    reader = connection.execute(f"select * from ({seen})").to_arrow_reader(BATCH)
    for batch in read_ahead(reader):
        slots.note(*(batch.column(name).to_numpy() for name in ("number", "visible", "time", "place")))
    slots.inherit()
    found = slots.time > BEFORE_ALL
    columns = {"row": keys["row"].to_numpy(), "time": slots.time, "place": slots.place}
    connection.register("found", pa.table({name: values[found] for name, values in columns.items()}))
    connection.execute("create or replace temp table latest as from found")
    connection.unregister("found")


def read_ahead(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Batches, the next of which is made while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, reader, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, reader, None)
            yield batch


@dataclass(frozen=True)
class Slots:
    """For each entity row, sorted by owner and instant, the latest row noted there.

    Parameters
    ----------
    start, count : ndarray of shape (owners + 1,), (owners,)
        Where an owner's entity rows begin, and how many there are.
    instants : ndarray of shape (entity rows + padding,)
        Asked instants; the padding keeps a bisection from reading past the end.
    time, place : ndarray of shape (entity rows,)
        The instant and place of the row noted; ``BEFORE_ALL`` where there is none.
    """

    start: np.ndarray
    count: np.ndarray
    instants: np.ndarray
    time: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray, instants: np.ndarray, owners: int) -> "Slots":
        """Nothing noted yet."""
        start = np.searchsorted(numbers, np.arange(owners + 1))
        count = np.diff(start)
        padding = np.full(2 * int(count.max(initial=0)) + 1, np.iinfo(np.int64).max)
        return cls(
            start,
            count,
            np.append(instants, padding),
            np.full(len(instants), BEFORE_ALL),
            np.full(len(instants), NO_PLACE),
        )

    def note(self, numbers: np.ndarray, visible: np.ndarray, times: np.ndarray, places: np.ndarray) -> None:
        """Note rows of a history, each at the first entity row at or after it became visible."""
        at, left = self.start[numbers], self.count[numbers]
        step = 1 << int(self.count.max(initial=0)).bit_length() >> 1
        while step:
            ahead = np.where((step <= left) & (self.instants[at + step - 1] < visible), step, 0)
            at, left = at + ahead, left - ahead
            step >>= 1
        seen = left > 0
        at, times, places = at[seen], times[seen], places[seen]
        before = self.time[at]
        np.maximum.at(self.time, at, times)
        now = self.time[at]
        self.place[at[now > before]] = NO_PLACE
        latest = times == now
        np.maximum.at(self.place, at[latest], places[latest])

    def inherit(self) -> None:
        """Carry what was noted forward to the owner's later entity rows, where it is the latest."""
        rank = np.arange(len(self.time)) - np.repeat(self.start[:-1], self.count)
        step = 1
        while step <= int(self.count.max(initial=0)):
            earlier_time, earlier_place = self.time[:-step].copy(), self.place[:-step].copy()
            later = (rank[step:] >= step) & (earlier_time > self.time[step:])
            self.time[step:][later] = earlier_time[later]
            self.place[step:][later] = earlier_place[later]
            step *= 2


PLANS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, History, Asked, str], None]] = {
    "two_step": two_step,
    "search": search,
    "asof": asof,
}


def choose(rows: int, asked: Asked, history: History, is_clustered: Callable[[], bool]) -> str:
    """The cheapest plan for a history of ``rows`` rows; whether it lies together is asked when it matters.

    Sorting pays when the history is no more than a few times what is asked, and pairing in parallel when an
    owner has few entity rows and its history lies together. Bisection never does badly.
    """
    if rows <= ROWS_AN_ASKED_MAX * asked.rows and not history.is_cut_off:
        return "asof"
    few = asked.rows <= ASKED_AN_OWNER_MAX * asked.owner_count
    return "two_step" if few and is_clustered() else "search"


def find_held(
    connection: duckdb.DuckDBPyConnection,
    history: History,
    asked: Asked,
    on: str,
    types: Mapping[str, str],
    plan: str | None = None,
) -> tuple[str, bool]:
    """Make the table ``held``: which row of the history held for each entity row.

    It has ``row`` and ``place``, or where rows may tie ``row``, ``instant``, the keys of the owner and
    ``time``, the instant of the row that held (microseconds).

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
        The plan, and whether the place of the row is known.
    """
    if plan is None:
        is_clustered = partial(history.is_clustered, connection, types)
        plan = choose(history.count(connection), asked, history, is_clustered)
    PLANS[plan](connection, history, asked, seen_rows(history, asked, on, types))
    if lifetime := history.lifetime_microseconds:
        connection.execute(f"""
            delete from latest using {asked.keys} as keys
            where latest.row = keys.row and latest.time < keys.instant - {lifetime}
        """)
    is_placed = history.is_unique or (
        plan == "search" and not history.created and types[history.instant] != "TIMESTAMP_NS"
    )
    columns = "latest.row, latest.place" if is_placed else "latest.row, latest.time, keys.instant, owners.*"
    joins = f"inner join {asked.keys} as keys using (row) inner join {asked.owners} as owners using (number)"
    connection.execute(f"""
        create or replace temp table held as
        select {columns}
        from latest
        {"" if is_placed else joins}
    """)
    connection.execute("drop table latest")
    return plan, is_placed


def seen_rows(history: History, asked: Asked, on: str, types: Mapping[str, str]) -> str:
    """The rows of the history whose owner is asked about, and that may count for an as-of instant."""
    column = f"source.{quoted(history.instant)}"
    kind = types[history.instant]
    time = microseconds(column, kind)
    created = (
        microseconds(f"source.{quoted(history.created)}", types[history.created]) if history.created else "0"
    )
    lifetime = history.lifetime_microseconds
    first = asked.first - lifetime - 1 if lifetime and asked.first is not None else None
    return f"""
        select owners.number, {time} as time, {PLACE} as place, coalesce({created}, {BEFORE_ALL}) as created,
            {f"greatest({time}, {created})" if history.is_cut_off else time} as visible
        from {history.relation} as source
        inner join {asked.owners} as owners on {on}
        where {within(column, kind, first, asked.last)}
            {f"and {created} is not null" if history.is_cut_off else ""}
    """
