"""Frozen windows: every window feature falls to zero once its customer was silent for longer than the window.

Asked for everyone when all windows have passed after the data clock; and for some customers inside the
history, at the first and the last microsecond of silences that the raw rows show.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from ml.audit.facts import check_there, happenings, one
from ml.audit.findings import Audit, Breach, Finding, not_checked
from ml.audit.pictures import Bar, Bars, PicturedFinding
from ml.audit.sample import clock_of, database
from ml.common.errors import NotReadyError
from ml.common.instants import format_instant
from ml.common.sampling import key_hash_sql, sampled_customers_sql
from ml.common.sql import quoted
from ml.features.labels import parquet
from ml.featurestore.catalog import Catalog, Feature, OnDemand, View
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.model.inputs import doubles

CHECK = "windows"
MOST_CUSTOMERS = 2_000
MOST_ASKED = 30_000
ENDS_IN_DAYS = re.compile(r"_([1-9]\d*)d$")
ONE_DAY = timedelta(days=1)
A_DAY_IN_MICROSECONDS = 86_400_000_000

LAST_ROWS = """
select source.*
from {rows} as source
semi join (
    select customer_id, max(event_timestamp) as event_timestamp
    from {rows}
    where event_timestamp <= $1
    group by customer_id
) using (customer_id, event_timestamp)
"""
# From one happening to the next nothing happens; the first silence has no beginning, the last ends far off.
SILENCES = """
create temp table silences as
with events as (
    select distinct customer_id, happened_at
    from ({happenings}) semi join chosen using (customer_id)
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
ASKED = """
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
    def empty(self) -> str:
        """A condition on its column: empty, as it must be. An average of nothing is null, a count of it 0."""
        column = quoted(self.name)
        if self.feature.sql_type in ("DOUBLE", "FLOAT"):
            return f"({column} is null or {column} = 0)"
        return f"coalesce({column} = 0, false)"


def check(audit: Audit) -> Finding:
    """Whether any window feature is anything but empty after a silence longer than its window."""
    windows = windows_of(audit.catalog)
    if not windows:
        return not_checked(CHECK, "no feature has a window")
    far = clock_of(audit) + (max(window.days for window in windows) + 1) * ONE_DAY
    cells, breaches, notes = Counter[int](), list[Breach](), list[str]()
    with database(audit) as connection:
        for view in audit.catalog.views:
            breaches += still_open(connection, view, windows, far, cells)
        try:
            asked = silences(audit, connection, windows, far)
        except NotReadyError as error:
            asked, notes = None, [f"not checked: silences inside the history, for {error}"]
    inside = 0
    if asked is not None:
        table = point_in_time(audit.build, asked, features=[window.name for window in windows])
        inside = len(table)
        breaches += [found for window in windows for found in frozen(table, window, cells)]
    return PicturedFinding(
        CHECK,
        compared=cells.total(),
        what="cells",
        detail=f"{len(windows)} window features of everyone at {format_instant(far)}, and at {inside:,} "
        "instants of silence inside the history",
        breaches=tuple(breaches),
        sampled=f"inside the history: {inside:,} instants of at most {MOST_CUSTOMERS:,} customers, by a "
        "seeded hash",
        notes=tuple(notes),
        picture=picture(cells, breaches),
    )


def windows_of(catalog: Catalog) -> list[Window]:
    """The features made of a window: those of a windowed family, and those whose name ends in days."""
    found = []
    for feature in catalog.features:
        named = ENDS_IN_DAYS.search(feature.name)
        days = feature.window or (int(named[1]) if named else None)
        if days and (isinstance(feature, OnDemand) or feature.kind == "number"):
            found.append(Window(feature, days))
    return found


def still_open(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    windows: Sequence[Window],
    far: datetime,
    cells: Counter[int],
) -> Iterator[Breach]:
    """Window columns of one model that are not empty for everyone when all windows have passed."""
    own = [
        window
        for window in windows
        if isinstance(window.feature, Feature) and window.feature.view == view.name
    ]
    if not own:
        return
    last_rows = LAST_ROWS.format(rows=parquet(view.path))
    counts = ", ".join(f"count(*) filter (where not {window.empty})" for window in own)
    customers, *found = (
        connection.execute(f"select count(*), {counts} from ({last_rows})", [far]).fetchone() or ()
    )
    for window, count in zip(own, found, strict=True):
        cells[window.days] += customers
        if count:
            first = f"select customer_id, {quoted(window.name)}::varchar from ({last_rows})"
            query = f"{first} where not {window.empty} order by all limit 1"
            customer, value = connection.execute(query, [far]).fetchone() or (None, None)
            yield Breach(
                f"{window.shown} is not empty for {count:,} customers when all windows have passed",
                {
                    "customer_id": customer,
                    "instant": format_instant(far),
                    "feature": window.name,
                    "value": value,
                },
                count,
            )


def silences(
    audit: Audit, connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], far: datetime
) -> pa.Table:
    """Rows to ask: customer_id, event_timestamp, silent_for (microseconds; null where nothing was before)."""
    check_there(audit)
    rows = parquet(audit.catalog.views[0].path)
    chosen = sampled_customers_sql(rows, MOST_CUSTOMERS)
    connection.execute(f"create temp table chosen as {chosen}", [str(audit.seed)])
    connection.execute(SILENCES.format(happenings=happenings(audit.load)), [far])
    if one(connection, "select count(*) from silences") == 0:
        raise NotReadyError("there is no customer")
    days = sorted({window.days for window in windows})
    query = ASKED.format(draw=key_hash_sql("$2", "customer_id", "event_timestamp"), most=MOST_ASKED)
    return connection.execute(query, [days, str(audit.seed)]).to_arrow_table()


def frozen(table: pa.Table, window: Window, cells: Counter[int]) -> Iterator[Breach]:
    """A breach where a window feature holds something although nothing happened within the window."""
    silent_for = table["silent_for"].to_numpy().astype(np.float64)
    silent = np.isnan(silent_for) | (silent_for >= window.days * A_DAY_IN_MICROSECONDS)
    values = doubles(table[window.name]).to_numpy().astype(np.float64)
    cells[window.days] += int(silent.sum())
    held = np.flatnonzero(silent & ~np.isnan(values) & (values != 0))
    if len(held):
        yield Breach(
            f"{window.shown} is not empty at {len(held):,} of {silent.sum():,} instants before which nothing "
            f"had happened for {window.days} days or longer",
            case(table, int(held[0]), window),
            len(held),
        )


def case(table: pa.Table, row: int, window: Window) -> dict[str, Any]:
    """One row of an answer as an example."""
    found = (
        table.slice(row, 1)
        .select(["customer_id", "event_timestamp", "silent_for", window.name])
        .to_pylist()[0]
    )
    silent_for = found["silent_for"]
    return {
        "customer_id": found["customer_id"],
        "instant": format_instant(found["event_timestamp"]),
        "feature": window.name,
        "value": str(found[window.name]),
        "days of silence": "all before"
        if silent_for is None
        else round(silent_for / A_DAY_IN_MICROSECONDS, 6),
    }


def picture(cells: Counter[int], breaches: Sequence[Breach]) -> Bars:
    """How many cells had to be empty, by the days of their window."""
    marked = {
        int(named[1])
        for each in breaches
        if (named := ENDS_IN_DAYS.search(str(each.example.get("feature", ""))))
    }
    bars = tuple(Bar(f"{days} days", count, days in marked) for days, count in sorted(cells.items()))
    return Bars("Cells that had to be empty, by window", bars)
