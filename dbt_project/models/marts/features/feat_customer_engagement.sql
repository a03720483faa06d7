{% set counts = [] %}
{% for days in var("windows") %}
    {% set ends = earliest(["present_until", days_after("started_at", days)]) %}
    {% do counts.append(contribution("sessions_" ~ days ~ "d", "started_sessions", "1", "known_at", ends)) %}
{% endfor %}
{% set page_views_end = earliest(["superseded_at", days_after("started_at", 30)]) %}

{% set features = counts + [
    contribution("page_views_30d", "sessions", "page_views", "known_at", page_views_end),
    extreme("last_session_at", "started_sessions", "max", "started_at", "known_at", "session_withdrawals"),
    contribution("page_views_30d", "customers", "0", "first_known_at"),
] %}

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
