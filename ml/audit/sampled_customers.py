"""The sampled customers and their instants: drawn by a seeded hash, as many as the time allows.

A build comes in; the tables ``chosen`` (customer_id) and ``limits`` (customer_id, until) go out, which
comparisons and poison read.
"""

from datetime import datetime

import duckdb

from ml.audit.check_database import single_value
from ml.audit.findings import Audit
from ml.common.sampling import key_hash_sql, sampled_customers_sql
from ml.common.sql import literal
from ml.features.labels import parquet
from ml.ingest.manifest import read_load_manifest
from ml.ingest.merges import add_joined, merged_groups

CUSTOMERS_MIN = 50  # fewer prove too little, even if the time is short
# Measured on two cores: seconds for a run of dbt, for a raw row that is built and compared, and for a raw row
# that is skipped.
SECONDS_PER_RUN = 8.0
SECONDS_PER_ROW = 10e-6
SECONDS_PER_SKIPPED_ROW = 0.5e-6

# Half of them at an instant at which something of theirs changes, or a microsecond before it; half anywhere.
LIMITS = """
create or replace temp table limits as
with
moments as (
    select customer_id, event_timestamp
    from ({rows})
    semi join chosen using (customer_id)
    where event_timestamp <= $clock
),
drawn as (
    select
        customer_id,
        {instant_draw} as draw,
        min(event_timestamp) as first_at,
        arg_min(event_timestamp, {row_draw}) as edge
    from moments
    group by customer_id
)
select
    customer_id,
    draw,
    case draw % 4
        when 0 then edge
        when 1 then greatest(first_at, edge - interval '1 microsecond')
        else make_timestamp(
            epoch_us(first_at) + ((draw // 4) % (epoch_us($clock) - epoch_us(first_at) + 1)::ubigint)::bigint
        )
    end as until
from drawn
"""

SHARED_LIMITS = """
create or replace temp table limits as
select customer_id, min(draw) over one_group as draw, min(until) over one_group as until
from limits left join {groups} using (customer_id)
window one_group as (partition by coalesce(final_owner, customer_id))
"""


def draw_customers(connection: duckdb.DuckDBPyConnection, rows: str, most: int, seed: str) -> int:
    """Make the table ``chosen`` of at most ``most`` customers in a relation; return their number.

    Parameters
    ----------
    rows : str
        What follows ``from``; has the column customer_id.
    seed : str
        The same seed and customers give the same sample, whatever the order of the rows.
    """
    chosen = sampled_customers_sql(rows, most, "$seed")
    connection.execute(f"create or replace temp table chosen as {chosen}", {"seed": seed})
    count: int = single_value(connection, "select count(*) from chosen")
    return count


def draw_known_customers(audit: Audit, connection: duckdb.DuckDBPyConnection, purpose: str, most: int) -> int:
    """Make the table ``chosen`` of customers known by the data clock; return their number.

    Customers joined by merges are chosen together.
    """
    known_by = f"where event_timestamp <= {literal(audit.clock)}::timestamp"
    rows = f"{parquet(audit.catalog.views[0].path)} {known_by}"
    draw_customers(connection, rows, most, f"{audit.seed}|{purpose}")
    add_joined(connection, "chosen", audit.load)
    count: int = single_value(connection, "select count(*) from chosen")
    return count


def draw_limits(audit: Audit, connection: duckdb.DuckDBPyConnection, purpose: str) -> None:
    """Make the table ``limits``: for each of ``chosen`` an instant of their own, up to the data clock.

    Customers joined by merges share one: what is delivered under one key may belong to another.
    """
    rows = " union all ".join(
        f"select customer_id, event_timestamp from {parquet(view.path)}" for view in audit.catalog.views
    )
    limits = LIMITS.format(
        rows=rows,
        instant_draw=key_hash_sql("$seed", "'instant'", "customer_id"),
        row_draw=key_hash_sql("$seed", "customer_id", "event_timestamp"),
    )
    connection.execute(limits, {"seed": f"{audit.seed}|{purpose}", "clock": audit.clock})
    if groups := merged_groups(audit.load):
        connection.execute(SHARED_LIMITS.format(groups=groups))


def limit_all(connection: duckdb.DuckDBPyConnection, until: datetime) -> None:
    """Make the table ``limits``: one instant for all of ``chosen``."""
    limits = f"select customer_id, {literal(until)}::timestamp as until from chosen"
    connection.execute(f"create or replace temp table limits as {limits}")


def is_drawn(seed: int, share: int, of: int) -> str:
    """SQL condition that holds for a seeded share of all customers, without a table of them."""
    return f"hash({literal(f'{seed}|')} || customer_id) % {of} < {share}"


def affordable(audit: Audit, runs: int, weight: float = 1.0) -> int:
    """The number of customers that can be built ``runs`` times in the time of the check.

    Parameters
    ----------
    runs : int
    weight : float
        How much more work a raw row is than in a plain build.
    """
    tables = read_load_manifest(audit.load)["tables"].values()
    rows = sum(table["accepted"] for table in tables)
    seconds = audit.seconds - runs * SECONDS_PER_RUN - rows * SECONDS_PER_SKIPPED_ROW
    rows_a_customer = max(1.0, rows / max(1, audit.manifest["rows"]["int_customers"]))
    return max(CUSTOMERS_MIN, int(seconds / (runs * SECONDS_PER_ROW * rows_a_customer * weight)))
