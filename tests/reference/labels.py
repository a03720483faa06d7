"""The data clock, the churn labels and the customer values, straight from the raw rows."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb

from tests.reference.merges import Merges, create_owners
from tests.reference.raw import VERSIONED, open_raw

FIRST_MONDAY = datetime(1970, 1, 5)
Label = tuple[str, datetime, int]


def data_clock(raw_folder: Path, ingested_at: datetime = datetime.max) -> datetime | None:
    """Return the largest instant at which any raw fact became known; None where there is no fact.

    What had not come when the rows were ingested is only announced.
    """
    connection = open_raw(Path(raw_folder))
    query = f"select max(known_at) from ({BECAME_KNOWN_SQL}) where known_at <= $1"
    return connection.execute(query, [ingested_at]).fetchone()[0]


def _own_instants_sql(table: str, instants: tuple[str, ...]) -> str:
    """Return when a version, and what happened later to its row, became known while that version held."""
    key, _ = VERSIONED[table]
    happenings = " union all ".join(
        f"select next_known_at, withdrawn_at, greatest(known_at, {fact}) as known_at from held"
        f" where {fact} is not null"
        for fact in ("known_at", "deleted_at", *instants)
    )
    return f"""
    select known_at from (
        with held as (
            select
                *, lead(known_at) over (partition by {key} order by version_at) as next_known_at,
                case when deleted_at is not null then greatest(deleted_at, known_at) end as withdrawn_at
            from {table}_versions
        )
        {happenings}
    )
    where (next_known_at is null or known_at < next_known_at)
        and (withdrawn_at is null or known_at <= withdrawn_at)
    """


CUSTOMERS_DELETED_SQL = """
select greatest(deleted_at, known_at) as known_at
from (
    select *, lead(known_at) over (partition by customer_id order by known_at) as next_known_at
    from (select *, coalesce(updated_at, registered_at) as known_at from customers)
)
where deleted_at is not null and (next_known_at is null or greatest(deleted_at, known_at) < next_known_at)
"""

LINES_SQL = """
select known_at from (with
order_known as (select order_id, min(known_at) as order_known_at from orders_versions group by order_id),
lines as (
    select distinct order_id, line_number, order_known_at, line.loaded_at, line.deleted_at,
        greatest(line.loaded_at, order_known_at) as known_at
    from order_items as line inner join order_known using (order_id)
),
held as (
    select *, lead(loaded_at) over (
        partition by order_id, line_number order by coalesce(loaded_at, timestamp '0001-01-01')
    ) as next_loaded_at
    from lines
)
select known_at from held
union all
select greatest(deleted_at, known_at) from held
where deleted_at is not null and (next_loaded_at is null or greatest(deleted_at, loaded_at) < next_loaded_at)
)
"""

BECAME_KNOWN_SQL = " union all ".join(
    [
        "select first_known_at as known_at from first_known",
        "select coalesce(updated_at, registered_at) from customers",
        CUSTOMERS_DELETED_SQL,
        "select registered_at from registrations",
        "select recorded_at from customer_merges",
        _own_instants_sql("orders", ("cancelled_at", "returned_at")),
        _own_instants_sql(
            "support_tickets", ("resolved_at", "case when satisfaction_score > 0 then rated_at end")
        ),
        _own_instants_sql("sessions", ()),
        LINES_SQL,
    ]
)


def orders_delivered_until(raw_folder: Path, data_clock: datetime) -> datetime | None:
    """The end of the day on which the newest order became known, or the data clock before it."""
    first_known: dict[str, datetime] = {}
    rows = open_raw(Path(raw_folder)).execute("select order_id, ordered_at, loaded_at from orders").fetchall()
    for order, ordered_at, loaded_at in rows:
        known_at = max(ordered_at, loaded_at or ordered_at)
        first_known[order] = min(known_at, first_known.get(order, known_at))
    if not first_known:
        return None
    newest = max(first_known.values())
    return min(data_clock, datetime(newest.year, newest.month, newest.day) + timedelta(days=1))


def reference_labels(
    raw_folder: Path,
    data_clock: datetime,
    horizon_days: int = 30,
    active_within_days: int = 90,
    cutoff_every_days: int = 7,
    label_delay_days: int = 0,
) -> set[Label]:
    """Return (customer_id, cut-off, churned) of the population of every labelled cut-off."""
    return _labels(
        CHURNED, raw_folder, data_clock, horizon_days, active_within_days, cutoff_every_days, label_delay_days
    )


def reference_values(
    raw_folder: Path,
    data_clock: datetime,
    horizon_days: int = 30,
    active_within_days: int = 90,
    cutoff_every_days: int = 7,
    label_delay_days: int = 0,
) -> set[tuple[str, datetime, Decimal]]:
    """Return (customer_id, cut-off, kept spend in the horizon) of the population at labelled cut-offs."""
    return _labels(
        KEPT_SPEND,
        raw_folder,
        data_clock,
        horizon_days,
        active_within_days,
        cutoff_every_days,
        label_delay_days,
    )


def _labels(
    label: str,
    raw_folder: Path,
    data_clock: datetime,
    horizon_days: int,
    active_within_days: int,
    cutoff_every_days: int,
    label_delay_days: int,
) -> set[tuple]:
    connection = open_raw(Path(raw_folder), known_by=data_clock)
    latest = data_clock - timedelta(days=horizon_days + label_delay_days)
    _create_cut_offs(connection, latest, cutoff_every_days)
    cut_offs = [row[0] for row in connection.execute("from cut_offs").fetchall()]
    create_owners(connection, Merges(connection, data_clock), cut_offs, data_clock)
    query = LABELS_SQL.format(label=label, active_within=active_within_days, horizon=horizon_days)
    return set(connection.execute(query, {"data_clock": data_clock}).fetchall())


def _create_cut_offs(connection: duckdb.DuckDBPyConnection, latest: datetime, every_days: int) -> None:
    connection.execute("create table cut_offs (cut_off timestamp)")
    first_known_at = connection.execute("select min(first_known_at) from first_known").fetchone()[0]
    if first_known_at is not None:
        instants = [[cut_off] for cut_off in cut_offs(first_known_at, latest, every_days)]
        if instants:
            connection.executemany("insert into cut_offs values (?)", instants)


def cut_offs(first_known_at: datetime, latest: datetime, every_days: int) -> list[datetime]:
    """Return the whole multiples of `every_days` from the first Monday of 1970, within both ends."""
    step = timedelta(days=every_days)
    skipped = -((FIRST_MONDAY - first_known_at) // step)
    cut_off, found = FIRST_MONDAY + skipped * step, []
    while cut_off <= latest:
        found.append(cut_off)
        cut_off += step
    return found


LABELS_SQL = """
with held_at_cut_off as (
    select cut_off, versions.*
    from cut_offs
    inner join orders_versions as versions
        on versions.known_at <= cut_off
        and versions.ordered_at <= cut_off
        and versions.ordered_at > cut_off - interval {active_within} day
    qualify row_number() over (partition by cut_off, order_id order by version_at desc) = 1
),
absent as (
    select customer_id, cut_off
    from (
        select cut_off, customers.*
        from cut_offs
        inner join customers on coalesce(updated_at, registered_at) <= cut_off
        qualify row_number() over (
            partition by cut_off, customer_id order by coalesce(updated_at, registered_at) desc
        ) = 1
    )
    where deleted_at <= cut_off
),
active as (
    select distinct coalesce(owner, customer_id) as customer_id, held_at_cut_off.cut_off
    from held_at_cut_off
    left join owners on key = customer_id and owners.cut_off = held_at_cut_off.cut_off
    where not coalesce(cancelled_at <= held_at_cut_off.cut_off, false)
        and not coalesce(returned_at <= held_at_cut_off.cut_off, false)
        and not coalesce(deleted_at <= held_at_cut_off.cut_off, false)
),
population as (
    select * from active where (customer_id, cut_off) not in (from absent)
),
in_the_end as (
    select distinct key, final_owner from owners
),
held_at_data_clock as (
    select *
    from orders_versions
    where known_at <= $data_clock
    qualify row_number() over (partition by order_id order by version_at desc) = 1
),
kept_in_the_end as (
    select coalesce(final_owner, customer_id) as customer_id, ordered_at, total_amount
    from held_at_data_clock
    left join in_the_end on key = customer_id
    where not coalesce(cancelled_at <= $data_clock, false) and not coalesce(returned_at <= $data_clock, false)
        and not coalesce(deleted_at <= $data_clock, false)
)
select
    customer_id,
    cut_off,
    (
        select {label}
        from kept_in_the_end as later
        where later.customer_id = coalesce(final_owner, population.customer_id)
            and later.ordered_at > cut_off
            and later.ordered_at <= cut_off + interval {horizon} day
    ) as label
from population
left join in_the_end on key = population.customer_id
"""
CHURNED, KEPT_SPEND = "cast(count(*) = 0 as integer)", "coalesce(sum(total_amount), 0)"
