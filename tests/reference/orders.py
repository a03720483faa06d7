"""Order features of existing customers, from the versions that hold at each as-of instant."""

import duckdb

from tests.reference.raw import happened, known_sql, within


def create_order_features(connection: duckdb.DuckDBPyConnection, windows: tuple[int, ...]) -> None:
    """Create `order_features`: one row per entity row of an existing customer."""
    connection.execute(f"create table known_orders as {KNOWN_ORDERS_SQL}")
    connection.execute(f"create table per_order as {per_order_sql(windows)}")
    connection.execute(f"create table per_item as {PER_ITEM_SQL}")
    connection.execute("create table order_features as from per_order inner join per_item using (asked_row)")


KNOWN_ORDERS_SQL = f"""
with held as ({known_sql("orders")})
select *, not {happened("cancelled_at")} and not {happened("returned_at")} as is_kept
from held
"""


def per_order_sql(windows: tuple[int, ...]) -> str:
    """Return what counts orders."""
    counts = [f"count(*) filter ({kept_within(w)}) as orders_{w}d" for w in windows]
    sums = [f"{money('total_amount', kept_within(w))} as spend_{w}d" for w in windows]
    gone = f"{within('cancelled_at', 365)} or {within('returned_at', 365)}"
    return f"""
    select
        asked_row,
        {", ".join(counts)},
        {", ".join(sums)},
        count(*) filter (is_kept) as orders_lifetime,
        {money("total_amount", "is_kept")} as spend_lifetime,
        count(order_id) as orders_placed_lifetime,
        count(*) filter ({gone}) as cancelled_orders_365d,
        {money("discount_amount", kept_within(365))} as discount_365d,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at
    from (select asked_row, t from existing)
    left join (select * exclude (t) from known_orders) using (asked_row)
    group by asked_row
    """


def kept_within(days: int) -> str:
    """Return the condition that an order is kept and was placed in the last `days` days."""
    return f"is_kept and {within('ordered_at', days)}"


def money(column: str, condition: str) -> str:
    """Return a decimal sum that is 0 where there is nothing to add."""
    return f"cast(coalesce(sum({column}) filter ({condition}), 0) as decimal(18, 4))"


# A line counts while its order does and by the version of the line that holds: one that does not say when it
# was loaded came with the order.
PER_ITEM_SQL = f"""
with known_lines as (
    select asked_row, known_orders.t, is_kept, ordered_at, lines.*
    from known_orders
    inner join (select distinct * from order_items) as lines using (order_id)
    where lines.loaded_at is null or lines.loaded_at <= known_orders.t
    qualify
        row_number() over (
            partition by asked_row, lines.order_id, lines.line_number
            order by coalesce(lines.loaded_at, timestamp '0001-01-01') desc
        ) = 1
),
known_items as (
    select * exclude (t) from known_lines where not {happened("deleted_at")}
)
select
    asked_row,
    {money("quantity", kept_within(90))} as items_90d,
    {money("quantity", kept_within(365))} as items_365d,
    count(distinct category) as categories_lifetime
from (select asked_row, t from existing)
left join known_items using (asked_row)
group by asked_row
"""
