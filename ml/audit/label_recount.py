"""Labels recounted by SQL that joins raw orders with cut-offs, without deltas.

Raw orders, the terms of the problem and the published labels come in; every wrong label goes out. A cut-off
``t`` labels those who ordered in ``(t - active_within, t]`` by ``(t, t + horizon]``.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import duckdb

from ml.audit.check_database import first_case, single_value
from ml.audit.findings import Audit, Breach
from ml.audit.raw_facts import facts, owners
from ml.audit.sampled_customers import draw_customers
from ml.common.instants import format_instant
from ml.config.problem import CHURN, Problem
from ml.features.labels import LABELS, parquet, read_cutoffs
from ml.ingest.batch import relation_of, rows_of
from ml.ingest.declaration import customers_table, raw_table
from ml.ingest.merges import NO_GROUPS, add_joined, merged_groups

CUSTOMERS_MAX = 50_000
FIRST_MONDAY = datetime(1970, 1, 5)
MODEL = CHURN

# No order became known later than on this day, whatever happened to orders since.
DELIVERED = """
select (max(known_at)::date + 1)::timestamp
from (select min({known_at}) as known_at from {orders} group by order_id)
"""
VERSIONS = """
create temp table versions as
with recorded as (
    select distinct
        order_id, customer_id, ordered_at, cancelled_at, returned_at, deleted_at,
        coalesce(loaded_at, ordered_at) as recorded_at, {known_at} as known_at
    from {orders} semi join chosen using (customer_id)
)
select *, lead(known_at) over (partition by order_id order by recorded_at) as superseded_at
from recorded
where known_at <= $clock
"""
# Customers whose own row is deleted at t, by the version in force then.
ABSENT = """
create temp table absent as
with versions as (
    select customer_id, deleted_at, coalesce(updated_at, registered_at) as known_at
    from {customers} semi join chosen using (customer_id)
)
select customer_id, cutoff
from (
    from versions inner join cutoffs on known_at <= cutoff
    qualify row_number() over (partition by customer_id, cutoff order by known_at desc) = 1
)
where deleted_at <= cutoff
"""
# In the population: some version in force at t, of an order placed in time, that nothing known then undoes.
POPULATION = """
create temp table population as
select distinct coalesce(owners.owner, versions.customer_id) as customer_id, cutoffs.cutoff
from versions
inner join cutoffs
    on versions.known_at <= cutoffs.cutoff and versions.ordered_at > cutoffs.cutoff - interval {active} day
left join {owners} as owners
    on versions.customer_id = owners.key
    and cutoffs.cutoff >= owners.owned_from and cutoffs.cutoff < owners.owned_until
anti join absent
    on absent.customer_id = coalesce(owners.owner, versions.customer_id) and absent.cutoff = cutoffs.cutoff
where
    (superseded_at > cutoff or superseded_at is null)
    and (cancelled_at > cutoff or cancelled_at is null)
    and (returned_at > cutoff or returned_at is null)
    and (deleted_at > cutoff or deleted_at is null)
"""
# An order is of everyone whom merges have made one by the data clock.
KEPT = """
create temp table kept as
select coalesce(others.customer_id, versions.customer_id) as customer_id, ordered_at
from versions
left join {groups} as own on versions.customer_id = own.customer_id
left join {groups} as others on own.final_owner = others.final_owner
where
    superseded_at is null
    and (cancelled_at > $clock or cancelled_at is null)
    and (returned_at > $clock or returned_at is null)
    and (deleted_at > $clock or deleted_at is null)
"""
RECOUNTED = """
create temp table recounted as
select population.*, min(kept.ordered_at) as next_order_at, if(next_order_at is null, 1, 0) as churned
from population
left join kept
    on population.customer_id = kept.customer_id
    and kept.ordered_at > cutoff and kept.ordered_at <= cutoff + interval {horizon} day
group by all
"""
PUBLISHED = """
create temp table published as
select customer_id, event_timestamp as cutoff, churned, count(*) as times
from {labels} semi join chosen using (customer_id)
group by all
"""
FAULTS = {
    "lacks {count:,} rows of customers with a kept order of the last {active} days at the cut-off": """
        recounted anti join published using (customer_id, cutoff)
    """,
    "has {count:,} rows of customers without a kept order of the last {active} days at the cut-off": """
        published anti join recounted using (customer_id, cutoff)
    """,
    "says churned = 1 in {count:,} rows although a kept order was placed within {horizon} days": """
        published join recounted using (customer_id, cutoff)
        where published.churned is distinct from recounted.churned and recounted.churned = 0
    """,
    "says churned = 0 in {count:,} rows although no kept order was placed within {horizon} days": """
        published join recounted using (customer_id, cutoff)
        where published.churned is distinct from recounted.churned and recounted.churned = 1
    """,
    "has {count:,} rows more than once": "published where times > 1",
}
# Orders for which one microsecond decides: at t, at its horizon's end, or just beyond either.
AT_AN_EDGE = """
with edges as (
    select *, cutoff + edge as ordered_at
    from recounted, unnest([
        interval 0 day, interval 1 microsecond,
        interval {horizon} day, interval {horizon} day + interval 1 microsecond
    ]) as edges(edge)
)
select count(distinct (customer_id, cutoff)) from edges semi join kept using (customer_id, ordered_at)
"""


def recount(
    audit: Audit, connection: duckdb.DuckDBPyConnection, cutoffs: Iterable[datetime]
) -> dict[str, int]:
    """Make the tables ``recounted`` and ``published`` for the chosen customers.

    Returns
    -------
    dict
        ``customers`` chosen, ``all_customers``, ``labels`` recounted, ``at_an_edge`` among them.
    """
    orders, clock, problem = rows_of(raw_table("orders"), audit.load / "orders"), audit.clock, audit.problem
    customers = draw_customers(connection, orders, CUSTOMERS_MAX, str(audit.seed))
    add_joined(connection, "chosen", audit.load)
    connection.execute(
        VERSIONS.format(orders=orders, known_at=raw_table("orders").known_at), {"clock": clock}
    )
    connection.execute("create temp table cutoffs (cutoff timestamp)")
    for cutoff in cutoffs:
        connection.execute("insert into cutoffs values (?)", [cutoff])
    connection.execute(ABSENT.format(customers=rows_of(customers_table(), audit.load / "customers")))
    owned = owners(audit.load, clock)
    connection.execute(POPULATION.format(active=problem.active_within_days, owners=owned))
    groups = merged_groups(audit.load, clock) or NO_GROUPS
    connection.execute(KEPT.format(groups=groups), {"clock": clock})
    connection.execute(RECOUNTED.format(horizon=problem.horizon_days))
    connection.execute(PUBLISHED.format(labels=parquet(audit.build / LABELS)))
    return {
        "customers": customers,
        "all_customers": single_value(connection, f"select count(distinct customer_id) from {orders}"),
        "labels": single_value(connection, "select count(*) from recounted"),
        "at_an_edge": single_value(connection, AT_AN_EDGE.format(horizon=problem.horizon_days)),
    }


def delivered_orders(connection: duckdb.DuckDBPyConnection, audit: Audit) -> datetime | None:
    """Until when orders were delivered: to the end of the newest one's day, at most to the data clock."""
    query = DELIVERED.format(orders=relation_of(audit.load / "orders"), known_at=raw_table("orders").known_at)
    end_of_day: datetime | None = single_value(connection, query)
    return end_of_day and min(end_of_day, audit.clock)


def gap_of(problem: Problem) -> timedelta:
    """From a cut-off until its label is settled, added up apart from ``Problem.gap``, which is under test."""
    return timedelta(days=problem.horizon_days + problem.label_delay_days)


def settled_cutoffs(
    audit: Audit, connection: duckdb.DuckDBPyConnection, delivered: datetime | None
) -> list[datetime]:
    """The cut-offs that may have a label: in step from the first Monday of 1970, and settled by then."""
    first = single_value(connection, f"select min(known_at) from ({facts(audit.load)})")
    if first is None or delivered is None:
        return []
    step = timedelta(days=audit.problem.cutoff_every_days)
    last = delivered - gap_of(audit.problem)
    number = -((FIRST_MONDAY - first) // step)
    cutoffs = []
    while FIRST_MONDAY + number * step <= last:
        cutoffs.append(FIRST_MONDAY + number * step)
        number += 1
    return cutoffs


def differences(audit: Audit, connection: duckdb.DuckDBPyConnection) -> Iterator[Breach]:
    """Every kind of label that is not as recounted: its first case, with the kept order that decides it."""
    terms = {"active": audit.problem.active_within_days, "horizon": audit.problem.horizon_days}
    columns = {"customer_id": "customer_id", "cutoff": "cutoff"}
    for sentence, rows in FAULTS.items():
        if case := first_case(connection, rows, columns, "(customer_id, cutoff)"):
            customer, cutoff = case.example.values()
            query = "select min(ordered_at) from kept where customer_id = $1 and ordered_at > $2"
            next_order = single_value(connection, query, [customer, cutoff])
            example = {
                "customer_id": customer,
                "instant": format_instant(cutoff),
                "next kept order": format_instant(next_order) if next_order else "none known",
            }
            yield Breach(f"{MODEL} {sentence.format(count=case.rows, **terms)}", example, case.rows)


def unsettled(audit: Audit, settled: Iterable[datetime], delivered: datetime | None) -> Iterator[Breach]:
    """Cut-offs in the published labels that may have none."""
    clock, gap = delivered or audit.clock, gap_of(audit.problem)
    for cutoff in sorted({*read_cutoffs(audit.build)}.difference(settled)):
        ends = format_instant(cutoff + gap)
        why = f"they are settled only at {ends}, and orders were delivered until {format_instant(clock)}"
        if cutoff + gap <= clock:
            step = audit.problem.cutoff_every_days
            why = f"it is out of step with every {step} days, or before the first fact"
        instant = format_instant(cutoff)
        yield Breach(f"{MODEL} has labels at the cut-off {instant}, but {why}", {"instant": instant})
