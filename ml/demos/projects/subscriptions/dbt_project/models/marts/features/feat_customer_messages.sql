{% set window = {"since": "written_at", "until": "superseded_at"} %}
{% set features = (
    windowed_count("messages_{w}d", "messages", **window)
    + windowed_sum("positive_words_{w}d", "messages", "positive_words", type="bigint", **window)
    + windowed_sum("negative_words_{w}d", "messages", "negative_words", type="bigint", **window)
    + windowed_count("leaving_messages_{w}d", "leaving_messages", **window)
    + windowed_count("money_messages_{w}d", "money_messages", **window)
    + exists_from_first_fact("messages_7d")
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

-- what customers write; a message counts while it and a version of its ticket hold
messages as (

    select
        tickets.customer_number,
        messages.message_id,
        messages.version_number,
        messages.positive_words,
        messages.negative_words,
        messages.leaving_words,
        messages.money_words,
        messages.written_at,
        greatest(messages.known_at, tickets.known_at) as known_at,
        {{ earliest(["messages.superseded_at", "tickets.superseded_at"]) }} as superseded_at
    from {{ ref("stg_ticket_messages") }} as messages
    inner join {{ ref("int_ticket_facts") }} as tickets on messages.ticket_id = tickets.ticket_id
    where messages.author = 'customer' and {{ in_slice("tickets.customer_number") }}

),

leaving_messages as (

    select * from messages
    where leaving_words > 0

),

money_messages as (

    select * from messages
    where money_words > 0

),

message_deltas as (
    {{ deltas(features) }}
),

message_totals as (
    {{ running_totals("message_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("message_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
