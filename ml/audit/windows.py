"""Frozen windows: every window feature falls to zero once its customer was silent for longer than the window.

Looked up for everyone when all windows have passed after the data clock; and for some customers inside the
history, at the first and the last microsecond of silences that the raw rows show.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from ml.audit.check_database import database, first_case, single_value
from ml.audit.findings import Audit, Breach, Finding, not_checked
from ml.audit.pictures import Bar, Bars, PicturedFinding
from ml.audit.raw_facts import check_load, events
from ml.audit.sampled_customers import draw_customers
from ml.common.errors import NotReadyError
from ml.common.instants import format_instant
from ml.common.sampling import key_hash_sql
from ml.common.sql import literal, quoted
from ml.features.labels import parquet
from ml.featurestore.catalog import Catalog, Feature, OnDemand, View
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.ingest.manifest import FILE
from ml.model.inputs import doubles

CHECK = "windows"
# Enough for every window and edge, and retrieved within a few seconds.
CUSTOMERS_MAX = 2_000
INSTANTS_MAX = 30_000
ENDS_IN_DAYS = re.compile(r"_([1-9]\d*)d$")
ONE_DAY = timedelta(days=1)
A_DAY_IN_MICROSECONDS = 86_400_000_000

LAST_ROWS = """
create or replace temp table last_rows as
select source.*
from {rows} as source
semi join (
    select customer_id, max(event_timestamp) as event_timestamp
    from {rows}
    where event_timestamp <= $1
    group by customer_id
) using (customer_id, event_timestamp)
"""
# From one event to the next is a silence; the first silence has no beginning, the last ends far off.
SILENCES = """
create temp table silences as
with events as (
    select distinct customer_id, happened_at
    from ({events}) semi join chosen using (customer_id)
    where happened_at <= $1
)
select customer_id, happened_at as since, lead(happened_at, 1, $1) over one_customer as until
from events
window one_customer as (partition by customer_id order by happened_at)
union all
select customer_id, null as since, coalesce(min(happened_at), $1) as until
from chosen left join events using (customer_id)
group by customer_id
"""
INSTANTS = """
with moments as (
    select customer_id, since, since + to_days(unnest($1::integer[])) as event_timestamp, until from silences
    union
    select customer_id, since, until - interval 1 microsecond as event_timestamp, until from silences
)
select customer_id, event_timestamp, epoch_us(event_timestamp) - epoch_us(since) as silent_for
from moments
where event_timestamp < until
order by {draw}, customer_id, event_timestamp
limit {most}
"""


@dataclass(frozen=True)
class Window:
    """A feature made of a window of so many days."""

    feature: Feature | OnDemand
    days: int

    @property
    def name(self) -> str:
        return self.feature.name

    @property
    def shown(self) -> str:
        """Its model and column."""
        return f"{self.feature.view}.{self.name}" if isinstance(self.feature, Feature) else self.name

    @property
    def not_empty(self) -> str:
        """SQL condition of a fault. An average of nothing is null, but a count of it is 0 and never null."""
        column = quoted(self.name)
        if self.feature.sql_type in ("DOUBLE", "FLOAT"):
            return f"not ({column} is null or {column} = 0)"
        return f"not coalesce({column} = 0, false)"


def check(audit: Audit) -> Finding:
    """Check that every window feature is empty after a silence longer than its window."""
    windows = windows_of(audit.catalog)
    if not windows:
        return not_checked(CHECK, "no feature has a window")
    cells, breaches, notes, inside = Counter[int](), list[Breach](), list[str](), 0
    with database(audit) as connection:
        far = last_event(audit, connection) + (max(window.days for window in windows) + 1) * ONE_DAY
        for view in audit.catalog.views:
            breaches += still_open(connection, view, windows, far, cells)
        try:
            rows = silences(audit, connection, windows, far)
        except NotReadyError as error:
            notes.append(f"not checked: silences inside the history, because {error}")
        else:
            table = point_in_time(audit.build, rows, features=[window.name for window in windows])
            inside = len(table)
            breaches += [breach for window in windows for breach in frozen(table, window, cells)]
    return PicturedFinding(
        CHECK,
        compared=cells.total(),
        what="cells",
        detail=f"{len(windows)} window features of everyone at {format_instant(far)}, and at {inside:,} "
        "instants of silence inside the history",
        breaches=tuple(breaches),
        sampled=f"inside the history: {inside:,} instants of at most {CUSTOMERS_MAX:,} customers, by a "
        "seeded hash",
        notes=tuple(notes),
        picture=picture(cells, breaches),
    )


def last_event(audit: Audit, connection: duckdb.DuckDBPyConnection) -> datetime:
    """The data clock, or an announced end still to come after it."""
    if not (audit.load / FILE).is_file():
        return audit.clock
    last = connection.execute(f"select max(happened_at) from ({events(audit.load)})").fetchall()[0][0]
    return max(audit.clock, last or audit.clock)


def windows_of(catalog: Catalog) -> list[Window]:
    """The features made of a window: those of a windowed family, and those whose name ends in days."""
    windows = []
    for feature in catalog.features:
        match = ENDS_IN_DAYS.search(feature.name)
        days = feature.window or (int(match[1]) if match else None)
        if days and (isinstance(feature, OnDemand) or feature.kind == "number"):
            windows.append(Window(feature, days))
    return windows


def still_open(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    windows: Sequence[Window],
    far: datetime,
    cells: Counter[int],
) -> Iterator[Breach]:
    """Window columns of one model that are not empty for everyone when all windows have passed."""
    view_windows = [window for window in windows if window.feature in view.features]
    if not view_windows:
        return
    connection.execute(LAST_ROWS.format(rows=parquet(view.path)), [far])
    customers = single_value(connection, "select count(*) from last_rows")
    for window in view_windows:
        cells[window.days] += customers
        example = {
            "customer_id": "customer_id",
            "instant": literal(format_instant(far)),
            "feature": literal(window.name),
            "value": f"{quoted(window.name)}::varchar",
        }
        if case := first_case(connection, f"last_rows where {window.not_empty}", example):
            what = f"{window.shown} is not empty for {case.rows:,} customers when all windows have passed"
            yield Breach(what, case.example, case.rows)


def silences(
    audit: Audit, connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], far: datetime
) -> pa.Table:
    """Entity rows, each with silent_for: microseconds since the event before it; null where there is none."""
    check_load(audit)
    rows = parquet(audit.catalog.views[0].path)
    if not draw_customers(connection, rows, CUSTOMERS_MAX, str(audit.seed)):
        raise NotReadyError("there is no customer")
    connection.execute(SILENCES.format(events=events(audit.load)), [far])
    days = sorted({window.days for window in windows})
    query = INSTANTS.format(draw=key_hash_sql("$2", "customer_id", "event_timestamp"), most=INSTANTS_MAX)
    return connection.execute(query, [days, str(audit.seed)]).to_arrow_table()


def frozen(table: pa.Table, window: Window, cells: Counter[int]) -> Iterator[Breach]:
    """A breach where a window feature is not empty although nothing happened within the window."""
    silent_for = table["silent_for"].to_numpy().astype(np.float64)
    silent = np.isnan(silent_for) | (silent_for >= window.days * A_DAY_IN_MICROSECONDS)
    values = doubles(table[window.name]).to_numpy().astype(np.float64)
    cells[window.days] += int(silent.sum())
    wrong = np.flatnonzero(silent & ~np.isnan(values) & (values != 0))
    if len(wrong):
        first = {name: table[name][int(wrong[0])].as_py() for name in table.column_names}
        days = "all before"
        if first["silent_for"] is not None:
            days = round(first["silent_for"] / A_DAY_IN_MICROSECONDS, 6)
        yield Breach(
            f"{window.shown} is not empty at {len(wrong):,} of {silent.sum():,} instants before which "
            f"nothing had happened for {window.days} days or longer",
            {
                "customer_id": first["customer_id"],
                "instant": format_instant(first["event_timestamp"]),
                "feature": window.name,
                "value": str(first[window.name]),
                "days of silence": days,
            },
            len(wrong),
        )


def picture(cells: Counter[int], breaches: Sequence[Breach]) -> Bars:
    """How many cells had to be empty, by the days of their window."""
    names = [ENDS_IN_DAYS.search(str(breach.example.get("feature", ""))) for breach in breaches]
    marked = {int(name[1]) for name in names if name}
    bars = tuple(Bar(f"{days} days", count, days in marked) for days, count in sorted(cells.items()))
    return Bars("Cells that had to be empty, by window", bars)
