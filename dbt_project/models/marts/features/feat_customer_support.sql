{% set is_low = "case when satisfaction_score <= 2 then 1 else 0 end" %}
{% set resolved = {"since": "resolved_at", "until": "superseded_at", "days": 90, "starts": "resolution_known_at"} %}
{% set rated = {"since": "rated_at", "until": "superseded_at", "days": 365, "starts": "rating_known_at"} %}

{% set features = (
    windowed_count("tickets_{w}d", "opened_tickets", since="opened_at", until="present_until")
    + lifetime_count("open_tickets", "tickets", until=earliest(["superseded_at", "resolved_at"]))
    + windowed_count("tickets_resolved_90d", "resolved_tickets", **resolved)
    + windowed_sum("resolution_seconds_90d", "resolved_tickets", "resolution_seconds", type="bigint", **resolved)
    + windowed_count("ratings_365d", "rated_tickets", **rated)
    + windowed_sum("rating_sum_365d", "rated_tickets", "satisfaction_score", type="bigint", **rated)
    + windowed_sum("low_ratings_365d", "rated_tickets", is_low, type="bigint", **rated)
    + last_instant("last_ticket_at", "opened_tickets", "opened_at", "ticket_withdrawals")
    + exists_from_first_fact("open_tickets")
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

tickets as (

    select * from {{ ref("int_ticket_facts") }}
    where {{ in_slice("customer_number") }}

),

ticket_appearances as (

    select * from tickets
    where is_appearance

),

ticket_withdrawals as (
    {{ withdrawals("ticket_appearances", "opened_at") }}
),

opened_tickets as (
    {{ with_epochs("ticket_appearances", "ticket_withdrawals", "ticket_id") }}
),

resolved_tickets as (

    select * from tickets
    where resolved_at is not null

),

rated_tickets as (

    select * from tickets
    where rated_at is not null

),

ticket_deltas as (
    {{ deltas(features) }}
),

ticket_totals as (
    {{ running_totals("ticket_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("ticket_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
