"""The raw facts of a load, read by SQL that does not go through the dbt graph.

Checks read customers and instants of facts here, so that dbt's tables are compared with an independent query.
"""

from datetime import datetime
from pathlib import Path

from ml.audit.findings import Audit
from ml.common.errors import NotReadyError
from ml.ingest.batch import relation_of, rows_of
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_tables
from ml.ingest.manifest import FILE
from ml.ingest.merges import merge_rows, merged_groups

REGISTRATIONS = """
select customer_id, arg_min(registered_at, coalesce(updated_at, registered_at)) as known_at
from {customers}
group by customer_id
union all
select customer_id, coalesce(updated_at, registered_at) as known_at from {customers}
"""
# Rows without a customer, such as lines of orders, with that of the row they refer to, and when it was known.
ROWS_BELOW = """(
    select rows.*, parents.customer_id, parents.parent_known_at
    from {rows} as rows
    inner join (
        select
            {key},
            min({customer}) as customer_id,
            min(greatest({occurred}, {version_order})) as parent_known_at
        from {parents}
        group by {key}
    ) as parents using ({key})
)"""

# From when until when a customer owns what is delivered under a merged key. Of merges that are known at one
# instant the last of the chain counts.
OWNERS = """(
    with recursive merges as (
        select distinct {old} as key, {new} as owner, {recorded_at} as merged_at from {rows}
    ),
    chains as (
        select key, owner, merged_at as owned_from, 1 as link from merges
        union all
        select chains.key, merges.owner, greatest(owned_from, merged_at), link + 1
        from chains inner join merges on chains.owner = merges.key
    ),
    starts as (
        select key, key as owner, timestamp '1800-01-01' as owned_from from merges
        union all
        select key, arg_max(owner, link), owned_from from chains group by key, owned_from
    )
    select *, lead(owned_from, 1, timestamp '9999-01-01') over one_key as owned_until
    from starts
    window one_key as (partition by key order by owned_from)
)"""
NO_OWNERS = """(
    select
        null::varchar as key, null::varchar as owner,
        null::timestamp as owned_from, null::timestamp as owned_until
    where false
)"""
# What is known about a merged customer, or of their facts, is known of the owner then.
OWNED = """
select {customer} as customer_id, facts.known_at
from ({facts}) as facts
left join {owners} as owners
    on facts.customer_id = owners.key and facts.known_at >= owned_from and facts.known_at < owned_until
where {condition}
"""
# Facts that a merge moves: the version that holds then does not say that the fact was deleted before.
MOVED = """
select owner as customer_id, owned_from as known_at
from (
    select owners.owner, owners.owned_from, facts.deleted_at
    from (select *, {known_at} as known_from from {rows}) as facts
    inner join {owners} as owners on facts.{customer} = owners.key and facts.known_from <= owners.owned_from
    qualify
        row_number() over (
            partition by {key}, owners.key, owners.owned_from order by {version_order} desc
        ) = 1
)
where deleted_at is null or deleted_at > owned_from
"""
OF_A_GROUP = """
select coalesce(others.customer_id, events.customer_id) as customer_id, happened_at
from ({events}) as events
left join {groups} as own on events.customer_id = own.customer_id
left join {groups} as others on own.final_owner = others.final_owner
"""


def check_load(audit: Audit) -> None:
    """Raise a NotReadyError if the raw tables of the build are gone.

    Raises
    ------
    NotReadyError
    """
    if not (audit.load / FILE).is_file():
        raise NotReadyError(
            f"{audit.load.name}, from which {audit.build.name} was made, is gone: run 'churn build'"
        )


def fact_tables() -> list[Table]:
    """The tables of events of a customer."""
    return [table for table in raw_tables() if table.occurred and not table.is_of_customers]


def facts(load: Path) -> str:
    """A query for customer_id and known_at of every raw row that names its customer.

    Where customers merge it is the owner at that instant; and each fact once more, from when it moves.
    """
    tables = [table for table in fact_tables() if table.customer]
    queries = [
        f"select customer_id, {table.known_at} as known_at from {relation_of(load / table.name)}"
        for table in tables
    ]
    registrations = REGISTRATIONS.format(customers=relation_of(load / "customers"))
    if merge_rows(load) is None:
        return " union all ".join([registrations, *queries])
    merged = {"owners": owners(load)}
    owner = "coalesce(owner, facts.customer_id)"
    is_own = "owner is null or owner = facts.customer_id"
    queries = [OWNED.format(customer=owner, facts=query, condition="true", **merged) for query in queries]
    queries += [
        MOVED.format(
            rows=rows_of(table, load / table.name),
            known_at=table.known_at,
            version_order=table.version_order,
            customer=table.customer,
            key=", ".join(f"facts.{name}" for name in table.key),
            **merged,
        )
        for table in tables
    ]
    own = OWNED.format(customer=owner, facts=registrations, condition=is_own, **merged)
    return " union all ".join([own, *queries])


def owners(load: Path, known_by: datetime | None = None) -> str:
    """A relation of who owns what is delivered under a merged key: key, owner, owned_from, owned_until."""
    found = merge_rows(load, known_by)
    if found is None or (merges := found[0].merges) is None:
        return NO_OWNERS
    return OWNERS.format(old=merges.old, new=merges.new, recorded_at=found[0].version, rows=found[1])


def events(load: Path) -> str:
    """A query for customer_id and happened_at of every event, in any version of any row.

    An event is one of all the customers whom merges join to its own.
    """
    of_keys = " union all ".join(
        f"select customer_id, {instant} as happened_at from {rows_with_customer(table, load)}"
        for table in fact_tables()
        for instant in table.event_instants
    )
    groups = merged_groups(load)
    return OF_A_GROUP.format(events=of_keys, groups=groups) if groups else of_keys


def rows_with_customer(table: Table, load: Path) -> str:
    """The raw rows of a table; those that refer to another with customer_id and parent_known_at."""
    rows, parent = rows_of(table, load / table.name), parent_of(table)
    if parent is None:
        return rows
    return ROWS_BELOW.format(
        rows=rows,
        parents=rows_of(parent, load / parent.name),
        key=parent.key[0],
        customer=parent.customer,
        occurred=parent.occurred,
        version_order=parent.version_order,
    )
