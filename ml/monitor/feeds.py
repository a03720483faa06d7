"""Each source week by week, on both clocks: what became known, how fresh it was, how late, how complete.

The raw rows of a load come in. A row counts in the week in which it first became known, so every past week is
as it was then. That is what tells a feed that stopped (nothing becomes known at all) and one that is late
(the newest days are thin, the older ones are not) from customers who stopped (less of all, and on time).
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np

from ml.common.array_types import Floats
from ml.common.memory import memory_limit
from ml.ingest.batch import rows_of
from ml.ingest.contract import Table
from ml.ingest.declaration import raw_tables
from ml.monitor.weeks import Weeks, series

RECENT_DAYS = 2  # of a week's rows by their occurred instant
ROWS_MIN = 5  # of a week, for its delay and its last days
SETTLED_WEEKS = 4  # a week so long ago is complete
MEMORY = "2GB"
FIRSTS = """
create or replace temp table firsts as
select
    min({known_at}) as known_at,
    any_value({occurred}) as occurred_at,
    bool_or({version} is not null) as is_recorded
from {rows}
where {known_at} <= $1
group by {key}
"""
BY_KNOWN = """
select
    {week} as week, count(*), max(known_at),
    case
        when count(*) filter (where is_recorded) >= {fewest}
        then median(epoch(known_at - occurred_at) / 86400) filter (where is_recorded)
    end
from firsts where {week} >= 0 group by all
"""
# What occurred in a week and was known at its end, of that what occurred in its last days, and all.
BY_OCCURRED = """
select
    {week} as week,
    count(*) filter (where known_at <= week_end),
    count(*) filter (where known_at <= week_end and occurred_at > week_end - interval {recent} day),
    count(*)
from (select *, timestamp '{as_of}' - to_days(({last} - {week})::integer * {days}) as week_end from firsts)
where {week} >= 0 group by all
"""


@dataclass(frozen=True)
class Feed:
    """One source; arrays are of shape (weeks,), NaN where it cannot be said.

    Parameters
    ----------
    source : str
    arrivals : array
        Rows that first became known in the week.
    stale_days : array
        Days from the last row that had become known to the end of the week.
    delay_days : array
        Median days from occurred to known of the week's arrivals that have a recorded instant.
    recent_share : array
        Of the week's rows by occurred instant that were known at its end, the share of its last two days.
    complete : array
        Share of the week's rows by occurred instant that were known at its end; NaN for unsettled weeks.
    occurred : array
        Rows that occurred in the week and were known at its end.
    """

    source: str
    arrivals: Floats
    stale_days: Floats
    delay_days: Floats
    recent_share: Floats
    complete: Floats
    occurred: Floats

    @property
    def expected_complete(self) -> float:
        """By the delays of settled weeks, the share of the newest week that is in; NaN without a record."""
        return float(np.nanmean(self.complete)) if np.isfinite(self.complete).any() else float("nan")


def sources() -> list[Table]:
    """The declared raw tables that have an occurred instant."""
    return [table for table in raw_tables() if table.occurred]


def read_feeds(load: Path, weeks: Weeks) -> list[Feed]:
    """Every source that has rows."""
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{memory_limit(MEMORY)}'")
        feeds = [read_feed(connection, load, table, weeks) for table in sources()]
    return [feed for feed in feeds if feed is not None]


def read_feed(connection: duckdb.DuckDBPyConnection, load: Path, table: Table, weeks: Weeks) -> Feed | None:
    """One source; None without rows."""
    if not any((load / table.name).glob("*.parquet")):
        return None
    fields = {"known_at": table.known_at, "occurred": table.occurred, "version": table.version}
    statement = FIRSTS.format(rows=rows_of(table, load / table.name), key=", ".join(table.key), **fields)
    connection.execute(statement, [weeks.as_of])
    before = connection.execute(
        f"select max(known_at) from firsts where {weeks.week_sql('known_at')} < 0"
    ).fetchall()[0][0]
    by_known = connection.execute(
        BY_KNOWN.format(week=weeks.week_sql("known_at"), fewest=ROWS_MIN)
    ).fetchall()
    if not by_known and before is None:
        return None
    query = BY_OCCURRED.format(
        week=weeks.week_sql("occurred_at"),
        recent=RECENT_DAYS,
        as_of=weeks.as_of,
        last=len(weeks) - 1,
        days=weeks.days,
    )
    occurred = {week: counts for week, *counts in connection.execute(query).fetchall()}
    known = {week: values for week, *values in by_known}
    stale, clock = [], before
    for week, end in enumerate(weeks.instants):
        clock = known[week][1] if week in known else clock
        stale.append(None if clock is None else (end - clock) / timedelta(days=1))
    none = (0, 0, 0)
    counts = [occurred.get(week, none) for week in range(len(weeks))]
    delays = series([known[week][2] if week in known else None for week in range(len(weeks))])
    is_recorded = bool(np.isfinite(delays).any())
    settled = len(weeks) - SETTLED_WEEKS
    return Feed(
        source=table.name,
        arrivals=series([known[week][0] if week in known else 0 for week in range(len(weeks))]),
        stale_days=series(stale),
        delay_days=delays,
        recent_share=series([recent / of if of >= ROWS_MIN else None for of, recent, _ in counts]),
        complete=series(
            [
                of / in_all if is_recorded and in_all and week < settled else None
                for week, (of, _, in_all) in enumerate(counts)
            ]
        ),
        occurred=series([of for of, _, _ in counts]),
    )
