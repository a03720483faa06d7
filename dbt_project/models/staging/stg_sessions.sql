with

source as (

    select
        session_id,
        customer_id,
        duration_seconds,
        page_views,
        started_at,
        {{ if_known("deleted_at") }} as deleted_at,
        coalesce(loaded_at, started_at) as recorded_at,
        {{ known_at("started_at", "loaded_at") }} as known_at
    from {{ source("raw", "sessions") }}
    where {{ is_known(known_at("started_at", "loaded_at")) }} and {{ only_selected_customers("customer_id") }}

),

{{ version_steps("source", "session_id", "recorded_at", ["duration_seconds", "page_views"], "customer_id") }}

select
    session_id,
    customer_id,
    duration_seconds,
    page_views,
    version_number,
    started_at,
    recorded_at,
    known_at,
    superseded_at,
    withdrawn_at,
    is_appearance,
    present_until
from versions_present
