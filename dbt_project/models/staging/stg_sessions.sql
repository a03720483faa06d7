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

copies_marked as (

    select
        *,
        {{ repeats_previous(["duration_seconds", "page_views", "deleted_at"], "versions") }} as is_copy
    from source
    window versions as (partition by session_id order by recorded_at)

),

versions_spanned as (

    select
        *,
        {{ version_span("session_id", "known_at", "recorded_at") }}
    from copies_marked
    where not is_copy

),

withdrawals_marked as (
    {{ withdrawals_marked("versions_spanned") }}
),

versions_present as (

    select
        *,
        {{ presence("session_id", "recorded_at") }}
    from withdrawals_marked

)

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
