{% set features = (
    lifetime_count("active_subscriptions", "subscriptions", until="active_until")
    + lifetime_sum("price", "subscriptions", "price", until="active_until")
    + last_value("plan", "active_rows", "plan", "active_row_ends")
    + last_value("subscribed_since", "active_rows", "started_at", "active_row_ends")
    + last_value("renews_at", "active_rows", "renews_at", "active_row_ends")
    + lifetime_count("announced_ends", "announced_subscriptions", until="active_until", starts="end_known_at")
    + first_instant("announced_end_at", "announced_rows", "ended_at", "announced_row_ends")
    + windowed_count("price_changes_365d", "price_changes", since="known_at", until="present_until", days=365)
    + windowed_count("plan_changes_365d", "plan_changes", since="known_at", until="present_until", days=365)
    + windowed_count("subscriptions_ended_365d", "ended_subscriptions", since="ended_at", until="superseded_at", days=365,
        starts="end_counts_from")
    + lifetime_count("subscriptions_lifetime", "subscription_starts", until="present_until")
    + exists_from_first_fact("active_subscriptions")
) %}

with

customers as (

    select
        customer_number,
        customer_id,
        first_known_at
    from {{ ref("int_customers") }}
    where {{ in_slice("customer_number") }}

),

subscriptions as (

    select
        customers.customer_number,
        versions.*,
        {{ known_from("versions.ended_at", "versions.known_at") }} as end_counts_from,
        lag(versions.price) over one_subscription as previous_price,
        lag(versions.plan) over one_subscription as previous_plan
    from {{ ref("stg_subscriptions") }} as versions
    inner join customers on versions.customer_id = customers.customer_id
    window one_subscription as (
        partition by customers.customer_number, versions.subscription_id order by versions.version_number
    )

),

subscription_starts as (

    select * from subscriptions
    where is_appearance

),

price_changes as (

    select * from subscriptions
    where price != previous_price

),

plan_changes as (

    select * from subscriptions
    where plan != previous_plan

),

ended_subscriptions as (

    select * from subscriptions
    where ended_at is not null

),

announced_subscriptions as (

    select * from subscriptions
    where end_known_at < active_until

),

active_in_order as (

    select
        customer_number,
        subscription_id,
        version_number,
        plan,
        started_at,
        renews_at,
        known_at,
        active_until as present_until,
        {{ row_in_order("started_at", "subscription_id", "version_number") }} as row_at
    from subscriptions

),

active_row_ends as (
    {{ withdrawals("active_in_order", "row_at") }}
),

active_rows as (
    {{ with_epochs("active_in_order", "active_row_ends", "subscription_id") }}
),

announced_versions as (

    select
        customer_number,
        subscription_id,
        version_number,
        ended_at,
        end_known_at as known_at,
        active_until as present_until
    from announced_subscriptions

),

announced_row_ends as (
    {{ withdrawals("announced_versions", "ended_at") }}
),

announced_rows as (
    {{ with_epochs("announced_versions", "announced_row_ends", "subscription_id") }}
),

subscription_deltas as (
    {{ deltas(features) }}
),

subscription_totals as (
    {{ running_totals("subscription_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("subscription_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
