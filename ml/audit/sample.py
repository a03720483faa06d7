"""Who is looked at, and up to which instant: seeded, and as many as the time allows.

A build comes in; the table ``limits`` of customer_id and until goes out, which comparisons and poison read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb

from ml.audit.findings import Audit
from ml.common.instants import parse_instant
from ml.common.memory import memory_limit
from ml.common.sampling import key_hash_sql, sampled_customers_sql
from ml.common.sql import literal, parquet
from ml.ingest.manifest import read_record

MEMORY_LIMIT = "2GB"
FEWEST = 50
# On two cores: seconds for one run of dbt whatever its size, for each raw row that is built and compared, and
# for each raw row that is passed over in search of those.
SECONDS_A_RUN = 8.0
SECONDS_A_ROW = 10e-6
SECONDS_A_ROW_LEFT = 0.5e-6

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


@contextmanager
def database(audit: Audit) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills to the scratch folder."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit(MEMORY_LIMIT),
        "temp_directory": str(audit.scratch / "spill"),
    }
    with duckdb.connect(config=settings) as connection:
        yield connection


def draw_customers(audit: Audit, connection: duckdb.DuckDBPyConnection, purpose: str, most: int) -> int:
    """Make the table ``chosen`` of at most so many customers who were known by the data clock; how many."""
    view = audit.catalog.views[0]
    rows = parquet(sorted(view.path.glob("*.parquet")))
    values = {"seed": f"{audit.seed}|{purpose}", "clock": clock_of(audit)}
    chosen = sampled_customers_sql(f"{rows} where event_timestamp <= $clock", most, "$seed")
    connection.execute(f"create or replace temp table chosen as {chosen}", values)
    return len(connection.execute("from chosen").fetchall())


def draw_limits(audit: Audit, connection: duckdb.DuckDBPyConnection, purpose: str) -> None:
    """Make the table ``limits``: for each of ``chosen`` an instant of their own, up to the data clock."""
    rows = " union all ".join(
        f"select customer_id, event_timestamp from {parquet(sorted(view.path.glob('*.parquet')))}"
        for view in audit.catalog.views
    )
    limits = LIMITS.format(
        rows=rows,
        instant_draw=key_hash_sql("$seed", "'instant'", "customer_id"),
        row_draw=key_hash_sql("$seed", "customer_id", "event_timestamp"),
    )
    connection.execute(limits, {"seed": f"{audit.seed}|{purpose}", "clock": clock_of(audit)})


def limit_all(connection: duckdb.DuckDBPyConnection, until: datetime) -> None:
    """Make the table ``limits``: one instant for all of ``chosen``."""
    limits = f"select customer_id, {literal(until)}::timestamp as until from chosen"
    connection.execute(f"create or replace temp table limits as {limits}")


def affordable(audit: Audit, runs: int, weight: float = 1.0) -> int:
    """How many customers can be built so many times in the time that the check has.

    Parameters
    ----------
    runs : int
    weight : float
        How much more work a raw row is than in a plain build.
    """
    tables = read_record(audit.load)["tables"].values()
    rows = sum(table["accepted"] for table in tables)
    seconds = audit.seconds - runs * SECONDS_A_RUN - rows * SECONDS_A_ROW_LEFT
    rows_a_customer = max(1.0, rows / max(1, audit.manifest["rows"]["int_customers"]))
    return max(FEWEST, int(seconds / (runs * SECONDS_A_ROW * rows_a_customer * weight)))


def clock_of(audit: Audit) -> datetime:
    """The build's data clock."""
    return parse_instant(audit.manifest["data_clock"])
