"""Rows to ask for: random instants, and the edges of features with a microsecond on either side."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from tests.reference.raw import VERSIONED, open_raw

WINDOWS = (7, 30, 90, 365)
MICRO = timedelta(microseconds=1)
Asked = tuple[str, datetime, str]

# Per table: kind of edge and its instant, in terms of the raw row, `occurred` and `known_at`.
FACT_EDGES = {
    "occurred": "occurred",
    "known": "known_at",
    **{f"leaves_{w}d": f"occurred + interval {w} day" for w in WINDOWS},
}
OWN_EDGES = {
    "orders": ("cancelled_at", "returned_at", "deleted_at"),
    "support_tickets": ("resolved_at", "rated_at", "coalesce(rated_at, resolved_at, known_at)", "deleted_at"),
    "sessions": ("deleted_at",),
}


def asked_rows(raw_folder: Path, n_random: int, seed: int, max_edges: int = 3000) -> pa.Table:
    """Return rows of `customer_id`, `event_timestamp` and `asked_because`, in random order.

    Parameters
    ----------
    raw_folder : Path
        A raw folder as `reference_features` reads it.
    n_random : int
        Rows at random instants, from a month before anything was known to 400 days after everything was.
    seed : int
        The same seed gives the same rows.
    max_edges : int
        Most rows at edges: all kinds of edge get their share, each with a microsecond before and after.

    Returns
    -------
    pyarrow.Table
        The random and edge rows, 1 in 20 of them twice, and a few unknown customers.
    """
    random = np.random.default_rng(seed)
    connection = open_raw(Path(raw_folder))
    rows = _random_rows(connection, random, n_random) + _edge_rows(connection, random, max_edges)
    rows += _unknown_rows(random, rows) + [rows[i] for i in random.permutation(len(rows))[: len(rows) // 20]]
    return _arrow([rows[i] for i in random.permutation(len(rows))])


def _random_rows(connection: duckdb.DuckDBPyConnection, random: np.random.Generator, n: int) -> list[Asked]:
    known = connection.execute("from first_known order by customer_id").fetchall()
    if not known:
        return []
    low = min(instant for _, instant in known) - timedelta(days=30)
    high = connection.execute(f"select max(instant) from ({_edges_sql()})").fetchone()[0] + timedelta(days=35)
    who = random.integers(len(known), size=n)
    when = random.integers((high - low) // MICRO, size=n)
    midnight = random.random(n) < 0.2
    instants = [low + MICRO * int(micros) for micros in when]
    instants = [
        datetime(t.year, t.month, t.day) if flag else t for t, flag in zip(instants, midnight, strict=True)
    ]
    return [(known[i][0], t, "random") for i, t in zip(who, instants, strict=True)]


def _edge_rows(connection: duckdb.DuckDBPyConnection, random: np.random.Generator, n: int) -> list[Asked]:
    edges = connection.execute(f"from ({_edges_sql()}) order by all").fetchall()
    turn = _turns([kind for _, _, kind in edges], random)
    chosen = [edges[i] for i in np.argsort(turn, kind="stable")[: n // 3]]
    return [(who, t + offset, f"{kind}{sign}") for who, t, kind in chosen for offset, sign in _BESIDE]


_BESIDE = ((-MICRO, "-"), (timedelta(0), ""), (MICRO, "+"))


def _turns(kinds: list[str], random: np.random.Generator) -> np.ndarray:
    """Return for each edge its random turn within its kind, so that seldom kinds are not crowded out."""
    taken: dict[str, int] = {}
    turn = np.empty(len(kinds), dtype=int)
    for i in random.permutation(len(kinds)):
        turn[i] = taken[kinds[i]] = taken.get(kinds[i], -1) + 1
    return turn


def _unknown_rows(random: np.random.Generator, rows: list[Asked]) -> list[Asked]:
    chosen = random.permutation(len(rows))[:10]
    return [(f"nobody-{i}", rows[i][1], "unknown") for i in chosen]


def _arrow(rows: list[Asked]) -> pa.Table:
    who, when, why = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [pa.array(who, pa.string()), pa.array(when, pa.timestamp("us")), pa.array(why, pa.string())]
    return pa.table(columns, names=["customer_id", "event_timestamp", "asked_because"])


def _edges_sql() -> str:
    """Return (customer_id, instant, kind), one row per instant and kind, over all raw rows, copies too."""
    parts = [part for table, (_, occurred) in VERSIONED.items() for part in _fact_edges(table, occurred)]
    for column in ("updated_at", "registered_at", "deleted_at"):
        parts += _with_year_later("customers", column, "customers")
    lines = "(select customer_id, order_items.* from order_items inner join orders using (order_id))"
    parts += [_edge("order_items", column, column, lines) for column in ("loaded_at", "deleted_at")]
    parts += [
        _edge(
            "customer_merges",
            "recorded_at",
            "recorded_at",
            f"(select *, {side} as customer_id from customer_merges)",
        )
        for side in ("old_customer_id", "new_customer_id")
    ]
    edges = f"select customer_id, instant, kind from ({' union '.join(parts)}) where instant is not null"
    return f"with recursive {REACHED_SQL}, edges as ({edges}) {EDGES_OF_OWNERS_SQL}"


# What happens to a customer who merges is an edge of all those to whom the merges lead, too.
REACHED_SQL = """
reached as (
    select old_customer_id as customer_id, new_customer_id as owner from customer_merges
    union
    select customer_id, new_customer_id from reached inner join customer_merges on owner = old_customer_id
)
"""
EDGES_OF_OWNERS_SQL = """
from edges
union
select owner, instant, kind || ' of another' from edges inner join reached using (customer_id)
"""


def _fact_edges(table: str, occurred: str) -> list[str]:
    rows = f"""(
        select *, {occurred} as occurred, greatest({occurred}, coalesce(loaded_at, {occurred})) as known_at
        from {table}
    )"""
    parts = [_edge(table, kind, instant, rows) for kind, instant in FACT_EDGES.items()]
    for column in OWN_EDGES[table]:
        parts += _with_year_later(table, column, rows)
        parts.append(
            _edge(
                table,
                f"{column} known",
                f"case when {column} is not null then greatest({column}, known_at) end",
                rows,
            )
        )
    if table == "support_tickets":
        parts.append(_edge(table, "resolved_at + 90", "resolved_at + interval 90 day", rows))
    return parts


def _with_year_later(table: str, column: str, rows: str) -> list[str]:
    later = f"{column} + interval 365 day"
    return [_edge(table, column, column, rows), _edge(table, f"{column} + 365", later, rows)]


def _edge(table: str, kind: str, instant: str, rows: str) -> str:
    return f"select customer_id, {instant} as instant, '{table}: {kind}' as kind from {rows}"
