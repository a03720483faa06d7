-- Engagement features of one slice of customers: deltas, one row an instant, sorted once, totalled in one pass.
copy (
    with spans as (
        select
            *,
            least(superseded_at, started_at + interval 30 day) as viewed_until
        from sessions
        where customer_number between {first} and {last}
    ),
    deltas as (
        select
            customer_number,
            known_at as changed_at,
            case when is_first and known_at < started_at + interval 7 day then 1 end as sessions_7d,
            case when is_first and known_at < started_at + interval 30 day then 1 end as sessions_30d,
            case when is_first and known_at < started_at + interval 90 day then 1 end as sessions_90d,
            case when is_first and known_at < started_at + interval 365 day then 1 end as sessions_365d,
            case when known_at < viewed_until then page_views end as page_views_30d,
            case when is_first then started_at end as started_at
        from spans
        where is_first or known_at < viewed_until
        union all by name
        select customer_number, started_at + interval 7 day as changed_at, -1 as sessions_7d
        from spans
        where is_first and known_at < started_at + interval 7 day
        union all by name
        select customer_number, started_at + interval 30 day as changed_at, -1 as sessions_30d
        from spans
        where is_first and known_at < started_at + interval 30 day
        union all by name
        select customer_number, started_at + interval 90 day as changed_at, -1 as sessions_90d
        from spans
        where is_first and known_at < started_at + interval 90 day
        union all by name
        select customer_number, started_at + interval 365 day as changed_at, -1 as sessions_365d
        from spans
        where is_first and known_at < started_at + interval 365 day
        union all by name
        select customer_number, viewed_until as changed_at, -page_views as page_views_30d
        from spans
        where known_at < viewed_until
        union all by name
        select customer_number, first_known_at as changed_at
        from customers
        where customer_number between {first} and {last}
    ),
    changes as (
        select
            customer_number,
            changed_at,
            sum(columns('^(\w+_\d+d)$')) as '\1',
            max(started_at) as latest
        from deltas
        group by customer_number, changed_at
    ),
    totals as (
        select
            customer_number,
            changed_at,
            sum(columns('^(\w+_\d+d)$')) over (rows unbounded preceding) as '\1',
            max((customer_number::hugeint << 64) + epoch_us(latest)) over (rows unbounded preceding)
            - (customer_number::hugeint << 64) as last_session
        from (from changes order by customer_number, changed_at)
    )
    select
        customers.customer_id,
        totals.changed_at as event_timestamp,
        coalesce(columns('^(\w+_\d+d)$'), 0)::bigint as '\1',
        case when last_session > -(1::hugeint << 63) then make_timestamp(last_session::bigint) end as last_session_at
    from totals
    inner join customers using (customer_number)
) to '{out}/feat_customer_engagement/{slice}.parquet' (format parquet);
