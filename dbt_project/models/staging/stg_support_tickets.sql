with

source as (

    select
        ticket_id,
        customer_id,
        category,
        channel,
        satisfaction_score,
        opened_at,
        resolved_at,
        rated_at,
        coalesce(rated_at, resolved_at, {{ known_at("opened_at", "loaded_at") }}) as rating_given_at,
        {{ if_known("deleted_at") }} as deleted_at,
        coalesce(loaded_at, opened_at) as recorded_at,
        {{ known_at("opened_at", "loaded_at") }} as known_at
    from {{ source("raw", "support_tickets") }}
    where {{ is_known(known_at("opened_at", "loaded_at")) }} and {{ only_selected_customers("customer_id") }}

),

known_parts as (

    select
        ticket_id,
        customer_id,
        category,
        channel,
        case when {{ is_known("rating_given_at") }} then satisfaction_score end as satisfaction_score,
        opened_at,
        {{ if_known("resolved_at") }} as resolved_at,
        {{ if_known("rated_at") }} as rated_at,
        case when satisfaction_score is not null then {{ if_known("rating_given_at") }} end as rating_given_at,
        deleted_at,
        recorded_at,
        known_at
    from source

),

{{ version_steps(
    "known_parts", "ticket_id", "recorded_at",
    ["category", "channel", "satisfaction_score", "resolved_at", "rated_at"], "customer_id"
) }}

select
    ticket_id,
    customer_id,
    category,
    channel,
    satisfaction_score,
    version_number,
    opened_at,
    resolved_at,
    rating_given_at as rated_at,
    recorded_at,
    known_at,
    superseded_at,
    withdrawn_at,
    is_appearance,
    present_until
from versions_present
