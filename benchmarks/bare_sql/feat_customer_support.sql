-- Support features of one slice of customers: deltas, one row an instant, sorted once, totalled in one pass.
copy (
    with spans as (
        select
            *,
            (epoch_us(resolved_at) - epoch_us(opened_at)) // 1000000 as seconds,
            coalesce(least(superseded_at, resolved_at), 'infinity') as open_until,
            greatest(resolved_at, known_at) as resolved_from,
            least(superseded_at, resolved_at + interval 90 day) as resolved_until,
            greatest(rated_at, known_at) as rated_from,
            least(superseded_at, rated_at + interval 365 day) as rated_until
        from tickets
        where customer_number between {first} and {last}
    ),
    deltas as (
        select
            customer_number,
            known_at as changed_at,
            case when is_first and known_at < opened_at + interval 7 day then 1 end as tickets_7d,
            case when is_first and known_at < opened_at + interval 30 day then 1 end as tickets_30d,
            case when is_first and known_at < opened_at + interval 90 day then 1 end as tickets_90d,
            case when is_first and known_at < opened_at + interval 365 day then 1 end as tickets_365d,
            case when known_at < open_until then 1 end as open_tickets,
            case when is_first then opened_at end as opened_at
        from spans
        where is_first or known_at < open_until
        union all by name
        select customer_number, opened_at + interval 7 day as changed_at, -1 as tickets_7d
        from spans
        where is_first and known_at < opened_at + interval 7 day
        union all by name
        select customer_number, opened_at + interval 30 day as changed_at, -1 as tickets_30d
        from spans
        where is_first and known_at < opened_at + interval 30 day
        union all by name
        select customer_number, opened_at + interval 90 day as changed_at, -1 as tickets_90d
        from spans
        where is_first and known_at < opened_at + interval 90 day
        union all by name
        select customer_number, opened_at + interval 365 day as changed_at, -1 as tickets_365d
        from spans
        where is_first and known_at < opened_at + interval 365 day
        union all by name
        select customer_number, open_until as changed_at, -1 as open_tickets
        from spans
        where known_at < open_until and open_until < 'infinity'
        union all by name
        select
            customer_number,
            resolved_from as changed_at,
            1 as tickets_resolved_90d,
            seconds as resolution_seconds_90d
        from spans
        where resolved_at is not null and resolved_from < resolved_until
        union all by name
        select
            customer_number,
            resolved_until as changed_at,
            -1 as tickets_resolved_90d,
            -seconds as resolution_seconds_90d
        from spans
        where resolved_at is not null and resolved_from < resolved_until
        union all by name
        select
            customer_number,
            rated_from as changed_at,
            1 as ratings_365d,
            satisfaction_score as rating_sum_365d,
            (satisfaction_score <= 2)::int as low_ratings_365d
        from spans
        where rated_at is not null and rated_from < rated_until
        union all by name
        select
            customer_number,
            rated_until as changed_at,
            -1 as ratings_365d,
            -satisfaction_score as rating_sum_365d,
            -(satisfaction_score <= 2)::int as low_ratings_365d
        from spans
        where rated_at is not null and rated_from < rated_until
        union all by name
        select customer_number, first_known_at as changed_at
        from customers
        where customer_number between {first} and {last}
        union all by name
        -- what never ends is taken off at infinity, so that the next customer starts from zero
        select
            customer_number,
            'infinity'::timestamp as changed_at,
            -count(*) filter (where open_until = 'infinity')::int as open_tickets
        from spans
        group by customer_number
    ),
    changes as (
        select
            customer_number,
            changed_at,
            sum(columns('^(\w+_\d+d|open_tickets)$')) as '\1',
            max(opened_at) as latest
        from deltas
        group by customer_number, changed_at
    ),
    totals as (
        select
            customer_number,
            changed_at,
            sum(columns('^(\w+_\d+d|open_tickets)$')) over (rows unbounded preceding) as '\1',
            max((customer_number::hugeint << 64) + epoch_us(latest)) over (rows unbounded preceding)
            - (customer_number::hugeint << 64) as last_ticket
        from (from changes order by customer_number, changed_at)
    )
    select
        customers.customer_id,
        totals.changed_at as event_timestamp,
        coalesce(columns('^(\w+_\d+d|open_tickets)$'), 0)::bigint as '\1',
        case when last_ticket > -(1::hugeint << 63) then make_timestamp(last_ticket::bigint) end as last_ticket_at
    from totals
    inner join customers using (customer_number)
    where changed_at < 'infinity'
) to '{out}/feat_customer_support/{slice}.parquet' (format parquet);
