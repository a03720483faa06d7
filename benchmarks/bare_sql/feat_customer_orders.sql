-- Order features of one slice of customers: deltas, one row an instant, sorted once, totalled in one pass.
copy (
    with spans as (
        select
            *,
            least(kept_until, ordered_at + interval 7 day) as until_7d,
            least(kept_until, ordered_at + interval 30 day) as until_30d,
            least(kept_until, ordered_at + interval 90 day) as until_90d,
            least(kept_until, ordered_at + interval 365 day) as until_365d,
            coalesce(kept_until, 'infinity') as until_lost
        from orders
        where customer_number between {first} and {last}
    ),
    losses as (
        select
            customer_number,
            greatest(lost_at, known_at) as starts,
            least(superseded_at, lost_at + interval 365 day) as ends
        from spans
        where lost_at is not null
        union all
        select
            customer_number,
            greatest(lost_again_at, known_at, lost_at + interval 365 day),
            least(superseded_at, lost_again_at + interval 365 day)
        from spans
        where lost_again_at is not null
    ),
    deltas as (
        select
            customer_number,
            known_at as changed_at,
            case when known_at < until_7d then 1 end as orders_7d,
            case when known_at < until_30d then 1 end as orders_30d,
            case when known_at < until_90d then 1 end as orders_90d,
            case when known_at < until_365d then 1 end as orders_365d,
            case when known_at < until_7d then total_amount end as spend_7d,
            case when known_at < until_30d then total_amount end as spend_30d,
            case when known_at < until_90d then total_amount end as spend_90d,
            case when known_at < until_365d then total_amount end as spend_365d,
            case when known_at < until_lost then 1 end as orders_lifetime,
            case when known_at < until_lost then total_amount end as spend_lifetime,
            is_first::int as orders_placed_lifetime,
            case when known_at < until_365d then discount_amount end as discount_365d,
            case when known_at < until_90d then quantity end as items_90d,
            case when known_at < until_365d then quantity end as items_365d,
            case when is_first then ordered_at end as ordered_at
        from spans
        where known_at < until_lost or is_first
        union all by name
        select customer_number, until_7d as changed_at, -1 as orders_7d, -total_amount as spend_7d
        from spans
        where known_at < until_7d
        union all by name
        select customer_number, until_30d as changed_at, -1 as orders_30d, -total_amount as spend_30d
        from spans
        where known_at < until_30d
        union all by name
        select
            customer_number,
            until_90d as changed_at,
            -1 as orders_90d,
            -total_amount as spend_90d,
            -quantity as items_90d
        from spans
        where known_at < until_90d
        union all by name
        select
            customer_number,
            until_365d as changed_at,
            -1 as orders_365d,
            -total_amount as spend_365d,
            -discount_amount as discount_365d,
            -quantity as items_365d
        from spans
        where known_at < until_365d
        union all by name
        select customer_number, until_lost as changed_at, -1 as orders_lifetime, -total_amount as spend_lifetime
        from spans
        where known_at < until_lost and until_lost < 'infinity'
        union all by name
        select customer_number, starts as changed_at, 1 as cancelled_orders_365d
        from losses
        where starts < ends
        union all by name
        select customer_number, ends as changed_at, -1 as cancelled_orders_365d
        from losses
        where starts < ends
        union all by name
        select customer_number, known_at as changed_at, 1 as categories_lifetime
        from categories
        where customer_number between {first} and {last}
        union all by name
        select customer_number, first_known_at as changed_at
        from customers
        where customer_number between {first} and {last}
        union all by name
        -- what never ends is taken off at infinity, so that the next customer starts from zero
        select
            customer_number,
            'infinity'::timestamp as changed_at,
            -count(*) filter (where kept_until is null)::int as orders_lifetime,
            -sum(total_amount) filter (where kept_until is null)::decimal(38, 4) as spend_lifetime,
            -count(*) filter (where is_first)::int as orders_placed_lifetime
        from spans
        group by customer_number
        union all by name
        select customer_number, 'infinity'::timestamp as changed_at, -count(*)::int as categories_lifetime
        from categories
        where customer_number between {first} and {last}
        group by customer_number
    ),
    changes as (
        select
            customer_number,
            changed_at,
            sum(columns('^(\w+_(?:\d+d|lifetime))$')) as '\1',
            min(ordered_at) as earliest,
            max(ordered_at) as latest
        from deltas
        group by customer_number, changed_at
    ),
    totals as (
        select
            customer_number,
            changed_at,
            sum(columns('^(\w+_(?:\d+d|lifetime))$')) over (rows unbounded preceding) as '\1',
            max((customer_number::hugeint << 64) - epoch_us(earliest)) over (rows unbounded preceding)
            - (customer_number::hugeint << 64) as first_order,
            max((customer_number::hugeint << 64) + epoch_us(latest)) over (rows unbounded preceding)
            - (customer_number::hugeint << 64) as last_order
        from (from changes order by customer_number, changed_at)
    )
    select
        customers.customer_id,
        totals.changed_at as event_timestamp,
        coalesce(columns('^(orders_(?:7|30|90|365)d)$'), 0)::bigint as '\1',
        coalesce(columns('^(spend_(?:7|30|90|365)d)$'), 0)::decimal(38, 4) as '\1',
        coalesce(orders_lifetime, 0)::bigint as orders_lifetime,
        coalesce(spend_lifetime, 0)::decimal(38, 4) as spend_lifetime,
        coalesce(orders_placed_lifetime, 0)::bigint as orders_placed_lifetime,
        coalesce(cancelled_orders_365d, 0)::bigint as cancelled_orders_365d,
        coalesce(columns('^(discount_365d|items_90d|items_365d)$'), 0)::decimal(38, 4) as '\1',
        coalesce(categories_lifetime, 0)::bigint as categories_lifetime,
        case when first_order > -(1::hugeint << 63) then make_timestamp((-first_order)::bigint) end as first_order_at,
        case when last_order > -(1::hugeint << 63) then make_timestamp(last_order::bigint) end as last_order_at
    from totals
    inner join customers using (customer_number)
    where changed_at < 'infinity'
) to '{out}/feat_customer_orders/{slice}.parquet' (format parquet);
