"""Ticket features of existing customers, from the versions that hold at each as-of instant."""

import duckdb

from tests.reference.raw import happened, known_sql, within


def create_support_features(connection: duckdb.DuckDBPyConnection, windows: tuple[int, ...]) -> None:
    """Create `support_features`: one row per entity row of an existing customer."""
    connection.execute(f"create table known_tickets as {KNOWN_TICKETS_SQL}")
    connection.execute(f"create table support_features as {support_sql(windows)}")


# A score counts from when it was given, else from the resolution, else from when its version was known.
KNOWN_TICKETS_SQL = f"""
with held as ({known_sql("support_tickets")})
select
    * exclude (rated_at),
    case when satisfaction_score is not null then coalesce(rated_at, resolved_at, known_at) end as rated_at,
    (epoch_us(resolved_at) - epoch_us(opened_at)) // 1000000 as resolution_seconds
from held
"""


def support_sql(windows: tuple[int, ...]) -> str:
    """Return what counts tickets, resolutions and ratings."""
    opened = [f"count(*) filter ({within('opened_at', w)}) as tickets_{w}d" for w in windows]
    resolved, rated = within("resolved_at", 90), within("rated_at", 365)
    return f"""
    select
        asked_row,
        {", ".join(opened)},
        count(ticket_id) filter (not {happened("resolved_at")}) as open_tickets,
        count(*) filter ({resolved}) as tickets_resolved_90d,
        cast(coalesce(sum(resolution_seconds) filter ({resolved}), 0) as bigint) as resolution_seconds_90d,
        count(*) filter ({rated}) as ratings_365d,
        cast(coalesce(sum(satisfaction_score) filter ({rated}), 0) as bigint) as rating_sum_365d,
        count(*) filter ({rated} and satisfaction_score <= 2) as low_ratings_365d,
        max(opened_at) as last_ticket_at
    from (select asked_row, t from existing)
    left join (select * exclude (t) from known_tickets) using (asked_row)
    group by asked_row
    """
