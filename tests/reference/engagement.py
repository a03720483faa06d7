"""Session features of existing customers, from the versions that hold at each as-of instant."""

import duckdb

from tests.reference.raw import known_sql, within


def create_engagement_features(connection: duckdb.DuckDBPyConnection, windows: tuple[int, ...]) -> None:
    """Create `engagement_features`: one row per entity row of an existing customer."""
    connection.execute(f"create table known_sessions as {known_sql('sessions')}")
    connection.execute(f"create table engagement_features as {engagement_sql(windows)}")


def engagement_sql(windows: tuple[int, ...]) -> str:
    """Return what counts sessions."""
    started = [f"count(*) filter ({within('started_at', w)}) as sessions_{w}d" for w in windows]
    return f"""
    select
        asked_row,
        {", ".join(started)},
        cast(coalesce(sum(page_views) filter ({within("started_at", 30)}), 0) as bigint) as page_views_30d,
        max(started_at) as last_session_at
    from (select asked_row, t from existing)
    left join (select * exclude (t) from known_sessions) using (asked_row)
    group by asked_row
    """
