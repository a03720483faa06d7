{% set counts = [] %}
{% for days in var("windows") %}
    {% set ends = earliest(["present_until", days_after("opened_at", days)]) %}
    {% do counts.append(contribution("tickets_" ~ days ~ "d", "opened_tickets", "1", "known_at", ends)) %}
{% endfor %}
{% set resolution_ends = earliest(["superseded_at", days_after("resolved_at", 90)]) %}
{% set rating_ends = earliest(["superseded_at", days_after("rated_at", 365)]) %}
{% set is_low = "case when satisfaction_score <= 2 then 1 else 0 end" %}

{% set features = counts + [
    contribution("open_tickets", "tickets", "1", "known_at", until=earliest(["superseded_at", "resolved_at"])),
    contribution("tickets_resolved_90d", "resolved_tickets", "1", "resolution_known_at", resolution_ends),
    contribution("resolution_seconds_90d", "resolved_tickets", "resolution_seconds", "resolution_known_at", resolution_ends),
    contribution("ratings_365d", "rated_tickets", "1", "rating_known_at", rating_ends),
    contribution("rating_sum_365d", "rated_tickets", "satisfaction_score", "rating_known_at", rating_ends),
    contribution("low_ratings_365d", "rated_tickets", is_low, "rating_known_at", rating_ends),
    extreme("last_ticket_at", "opened_tickets", "max", "opened_at", "known_at", "ticket_withdrawals"),
    contribution("open_tickets", "customers", "0", "first_known_at"),
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
