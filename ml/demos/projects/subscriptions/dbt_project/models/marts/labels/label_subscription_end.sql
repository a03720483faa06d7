with

subscriptions_clock as (

    select max(known_at) as newest_known_at from {{ ref("stg_subscriptions") }}

),

cutoffs as (

    select
        cutoffs.cutoff_at,
        clocks.data_clock,
        {{ days_after("cutoffs.cutoff_at", label_term("horizon_days")) }} as horizon_ends_at,
        {{ days_after("cutoffs.cutoff_at", label_term("horizon_days") + label_term("label_delay_days")) }} as label_known_at,
        {{ delivered_until("clocks.data_clock", "subscriptions_clock.newest_known_at") }} as delivered_until
    from {{ ref("int_cutoffs") }} as cutoffs
    cross join {{ ref("int_data_clock") }} as clocks
    cross join subscriptions_clock
    where cutoffs.cutoff_at <= clocks.data_clock

),

subscriptions as (

    select
        customers.customer_id,
        versions.subscription_id,
        versions.known_at,
        versions.active_until
    from {{ ref("stg_subscriptions") }} as versions
    inner join {{ ref("int_customers") }} as customers on versions.customer_id = customers.customer_id
    where {{ in_slice("customers.customer_number") }}

),

-- how it came out, by all that is known at the data clock
final_subscriptions as (

    select
        versions.subscription_id,
        versions.ended_at
    from {{ ref("stg_subscriptions") }} as versions
    cross join {{ ref("int_data_clock") }} as clocks
    where {{ has_not_come("versions.superseded_at") }}

),

-- no cut-off whose horizon the delivered subscriptions do not cover, and not yet the data clock
active_at_cutoffs as (

    select
        subscriptions.customer_id,
        cutoffs.cutoff_at,
        cutoffs.data_clock,
        cutoffs.label_known_at,
        case when finally.subscription_id is null or finally.ended_at <= cutoffs.horizon_ends_at then 1 else 0 end as ends
    from subscriptions
    inner join cutoffs
        on
            subscriptions.known_at <= cutoffs.cutoff_at
            and (subscriptions.active_until is null or subscriptions.active_until > cutoffs.cutoff_at)
    left join final_subscriptions as finally on subscriptions.subscription_id = finally.subscription_id
    where cutoffs.label_known_at <= cutoffs.delivered_until or cutoffs.label_known_at > cutoffs.data_clock

),

labels as (

    select
        customer_id,
        cutoff_at as event_timestamp,
        case when label_known_at <= data_clock then cast(min(ends) as bigint) end as label,
        label_known_at
    from active_at_cutoffs
    group by customer_id, cutoff_at, data_clock, label_known_at

)

select * from labels
order by customer_id, event_timestamp
