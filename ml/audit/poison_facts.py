"""The poison: absurd facts, each known only after its customer's instant, as rows of the raw tables.

The tables ``limits`` (customer_id, until, draw) and a copy of the raw rows come in; one more Parquet file for
each raw table goes out. Every row obeys the contract: nothing but time can keep it from a feature.

    new          happened after the instant
    late         happened at or before it, recorded after it
    corrections  of what was known by then, recorded after it: other amounts, losses, resolutions and scores,
                 some of which claim to have happened before it; and deletions
"""

from pathlib import Path

import duckdb

from ml.common.sql import literal
from ml.ingest.batch import relation_of, rows_of
from ml.ingest.contract import Table
from ml.ingest.declaration import parent_of, raw_tables

# A third is recorded a microsecond after the instant. Half the customers get new facts alone, so that their
# labels may not move either.
POISONED = """
create or replace temp table poisoned as
select
    customer_id,
    until,
    until + to_microseconds(1 + case when draw % 3 = 0 then 0 else draw // 16 % 3456000000000 end)
        as recorded_at,
    to_microseconds(case when draw % 5 = 0 then 0 else draw // 64 % 34560000000000 end) as back,
    (draw // 8 % 2 = 0) as is_corrected,
    draw
from (select * replace ((draw // 2)::bigint as draw) from limits) as halved
"""

# When a corrected row was deleted: at the instant, when recorded, or as it was before.
DELETED = """case hash({key}) // 64 % 4 when 0 then until when 1 then recorded_at else deleted_at end"""

ORDERS = """
select
    'poison new ' || customer_id as order_id, customer_id, recorded_at as ordered_at,
    99999999 as total_amount, 88888888 as discount_amount,
    case when draw // 3 % 3 = 0 then recorded_at + interval '1 hour' end as cancelled_at,
    case when draw // 3 % 4 = 0 then recorded_at + interval '2 hours' end as returned_at,
    case when draw % 2 = 0 then recorded_at end as loaded_at
from poisoned
union all by name
select
    'poison late ' || customer_id as order_id, customer_id, until - back as ordered_at,
    77777777 as total_amount, 66666666 as discount_amount,
    case when draw // 3 % 3 = 0 then until end as cancelled_at,
    case when draw // 3 % 4 = 0 then until - back end as returned_at,
    recorded_at as loaded_at
from poisoned
where is_corrected
union all by name
select
    known.* replace (
        55555555 as total_amount, 44444444 as discount_amount, recorded_at as loaded_at,
        case hash(order_id) % 5
            when 0 then null when 1 then until when 2 then greatest(ordered_at, until - interval '10 days')
            when 3 then recorded_at else cancelled_at
        end as cancelled_at,
        case hash(order_id) // 8 % 5
            when 0 then null when 1 then until when 2 then ordered_at when 3 then recorded_at else returned_at
        end as returned_at,
        {deleted} as deleted_at
    )
from known
inner join poisoned using (customer_id)
where is_corrected
"""

ORDER_ITEMS = """
select
    order_id, line.number as line_number, 'poison' as product_id, 'poison ' || line.number as category,
    1000000 as quantity, 1000 as unit_price
from poisoned_orders, (select unnest([1, 2]) as number) as line
union all by name
select
    known.* exclude (customer_id) replace (
        'poison' as product_id, 'poison correction' as category, 1000000 as quantity,
        recorded_at as loaded_at, {deleted} as deleted_at
    )
from known
inner join poisoned using (customer_id)
where is_corrected
union all by name
select
    order_id, 1000000 + hash(line_number) % 1000000 as line_number, 'poison' as product_id,
    'poison late line' as category, 1000000 as quantity, 1000 as unit_price, recorded_at as loaded_at
from known
inner join poisoned using (customer_id)
where is_corrected
"""

SUPPORT_TICKETS = """
select
    'poison new ' || customer_id as ticket_id, customer_id, recorded_at as opened_at,
    case when draw // 3 % 2 = 0 then recorded_at + interval '3 hours' end as resolved_at,
    1 as satisfaction_score,
    case when draw // 3 % 3 = 0 then recorded_at + interval '4 hours' end as rated_at,
    case when draw % 2 = 0 then recorded_at end as loaded_at
from poisoned
union all by name
select
    'poison late ' || customer_id as ticket_id, customer_id, until - back as opened_at,
    case when draw // 3 % 3 > 0 then until end as resolved_at,
    1 as satisfaction_score,
    case when draw // 3 % 2 = 0 then until end as rated_at,
    recorded_at as loaded_at
from poisoned
where is_corrected
union all by name
select
    known.* replace (
        1 as satisfaction_score, recorded_at as loaded_at,
        case hash(ticket_id) % 5
            when 0 then null when 1 then until when 2 then opened_at when 3 then recorded_at else resolved_at
        end as resolved_at,
        case hash(ticket_id) // 8 % 4
            when 0 then null when 1 then until when 2 then recorded_at else rated_at
        end as rated_at,
        {deleted} as deleted_at
    )
from known
inner join poisoned using (customer_id)
where is_corrected
"""

SESSIONS = """
select
    'poison new ' || customer_id as session_id, customer_id, recorded_at as started_at,
    900000 as duration_seconds, 1000000000 as page_views,
    case when draw % 2 = 0 then recorded_at end as loaded_at
from poisoned
union all by name
select
    'poison late ' || customer_id as session_id, customer_id, until - back as started_at,
    900000 as duration_seconds, 1000000000 as page_views, recorded_at as loaded_at
from poisoned
where is_corrected
union all by name
select
    known.* replace (
        1000000000 as page_views, 900000 as duration_seconds, recorded_at as loaded_at,
        {deleted} as deleted_at
    )
from known
inner join poisoned using (customer_id)
where is_corrected
"""

# Only where an earlier version is known: by the contract the earliest one gives what does not change.
CUSTOMERS = """
select
    known.* replace (
        'poison' as gender, 'poison' as city, 'poison' as country, 'poison' as acquisition_channel,
        not coalesce(email_verified, false) as email_verified,
        not coalesce(phone_verified, false) as phone_verified,
        date '1901-01-01' as birth_date, registered_at - interval '400 days' as registered_at,
        recorded_at as updated_at, case when is_corrected then {deleted} else deleted_at end as deleted_at
    )
from known
inner join poisoned using (customer_id)
"""

FACTS = {
    "customers": CUSTOMERS,
    "orders": ORDERS,
    "order_items": ORDER_ITEMS,
    "support_tickets": SUPPORT_TICKETS,
    "sessions": SESSIONS,
}

# The version of each thing that was the latest one known at the customer's instant.
KNOWN = """
create or replace temp table known as
select {columns}
from {rows} as source
inner join limits using (customer_id)
where greatest({begins}, {version_order}) <= until
qualify row_number() over (partition by {key} order by {version_order} desc, {columns}) = 1
"""
# Lines of orders with the customer, and since when their order was known.
LINES = """(
    select items.*, orders.customer_id, orders.order_known_at
    from {items} as items
    inner join (
        select
            order_id,
            min(customer_id) as customer_id,
            min(greatest(ordered_at, {version_order})) as order_known_at
        from {orders}
        group by order_id
    ) as orders using (order_id)
)"""
WRITE = """
copy (
    select {columns}, 'poison' as _file, row_number() over () as _row
    from (select {nothing} where false union all by name {facts}) as facts
) to {file} (format parquet)
"""
WRITTEN_ORDERS = """
create or replace temp table poisoned_orders as
select order_id from {rows} where starts_with(order_id, 'poison ')
"""


def add_poison(connection: duckdb.DuckDBPyConnection, load: Path) -> int:
    """Add the poison for ``limits`` to a copy of the raw rows; how many rows."""
    connection.execute(POISONED)
    rows = 0
    for table in raw_tables():
        find_known(connection, table, load)
        if parent_of(table):
            connection.execute(WRITTEN_ORDERS.format(rows=relation_of(load / "orders")))
        written = connection.execute(writing(table, load / table.name / "poison.parquet")).fetchall()
        rows += written[0][0]
    return rows


def find_known(connection: duckdb.DuckDBPyConnection, table: Table, load: Path) -> None:
    """Make the table ``known``: what there was of each thing at its customer's instant."""
    rows, names = rows_of(table, load / table.name), table.names
    if orders := parent_of(table):
        rows = LINES.format(
            items=rows, orders=rows_of(orders, load / orders.name), version_order=orders.version_order
        )
        names = (*names, "customer_id")
    words = {
        "columns": ", ".join(f"source.{name}" for name in names),
        "rows": rows,
        "begins": table.occurred or "order_known_at",
        "version_order": table.version_order,
        "key": ", ".join(f"source.{name}" for name in table.key),
    }
    connection.execute(KNOWN.format(**words))


def writing(table: Table, file: Path) -> str:
    """The statement that writes the poison of one table, in the contract's types."""
    return WRITE.format(
        columns=", ".join(
            f"{column.name}::{column.kind.sql_type} as {column.name}" for column in table.columns
        ),
        nothing=", ".join(f"null::{column.kind.sql_type} as {column.name}" for column in table.columns),
        facts=FACTS[table.name].replace("{deleted}", DELETED.format(key=", ".join(table.key))),
        file=literal(file),
    )
