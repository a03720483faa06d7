{% set features = (
    windowed_count("sessions_{w}d", "started_sessions", since="started_at", until="present_until")
    + windowed_sum("page_views_30d", "sessions", "page_views", since="started_at", until="superseded_at", days=30, type="bigint")
    + last_instant("last_session_at", "started_sessions", "started_at", "session_withdrawals")
    + exists_from_first_fact("page_views_30d")
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

sessions as (

    select * from {{ ref("int_session_facts") }}
    where {{ in_slice("customer_number") }}

),

session_appearances as (

    select * from sessions
    where is_appearance

),

session_withdrawals as (
    {{ withdrawals("session_appearances", "started_at") }}
),

started_sessions as (
    {{ with_epochs("session_appearances", "session_withdrawals", "session_id") }}
),

session_deltas as (
    {{ deltas(features) }}
),

session_totals as (
    {{ running_totals("session_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("session_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
