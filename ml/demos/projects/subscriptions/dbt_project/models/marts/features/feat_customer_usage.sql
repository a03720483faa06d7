{% set features = (
    windowed_sum("usage_{w}d", "usage", "events", since="used_on", until="superseded_at", type="bigint")
    + windowed_count("active_days_{w}d", "active_days", since="used_on", until="present_until")
    + last_value("last_usage", "usage_rows", "events", "usage_row_ends")
    + last_value("last_used_on", "usage_rows", "used_on", "usage_row_ends")
    + exists_from_first_fact("active_days_7d")
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

usage as (

    select
        customers.customer_number,
        versions.*
    from {{ ref("stg_usage") }} as versions
    inner join customers on versions.customer_id = customers.customer_id

),

-- a day of none is measured too, and is no active one
usage_versions as (

    select
        customer_number,
        customer_id,
        used_on,
        version_number,
        events,
        known_at,
        superseded_at as present_until,
        {{ row_in_order("used_on", "version_number") }} as row_at
    from usage
    where events > 0

),

active_days as (
    {{ days_with_facts("usage_versions", "used_on") }}
),

usage_row_ends as (
    {{ withdrawals("usage_versions", "row_at") }}
),

usage_rows as (
    {{ with_epochs("usage_versions", "usage_row_ends", "used_on") }}
),

usage_deltas as (
    {{ deltas(features) }}
),

usage_totals as (
    {{ running_totals("usage_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("usage_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
