with

source as (

    select
        order_id,
        customer_id,
        payment_method,
        channel,
        total_amount,
        discount_amount,
        ordered_at,
        {{ if_known("cancelled_at") }} as cancelled_at,
        {{ if_known("returned_at") }} as returned_at,
        {{ if_known("deleted_at") }} as deleted_at,
        coalesce(loaded_at, ordered_at) as recorded_at,
        {{ known_at("ordered_at", "loaded_at") }} as known_at
    from {{ source("raw", "orders") }}
    where {{ is_known(known_at("ordered_at", "loaded_at")) }} and {{ only_selected_customers("customer_id") }}

),

copies_marked as (

    select
        *,
        {{ repeats_previous(
            ["payment_method", "channel", "total_amount", "discount_amount", "cancelled_at", "returned_at", "deleted_at"], "versions"
        ) }} as is_copy
    from source
    window versions as (partition by order_id order by recorded_at)

),

versions_spanned as (

    select
        *,
        {{ version_span("order_id", "known_at", "recorded_at") }}
    from copies_marked
    where not is_copy

),

withdrawals_marked as (
    {{ withdrawals_marked("versions_spanned") }}
),

versions_present as (

    select
        *,
        {{ presence("order_id", "recorded_at") }}
    from withdrawals_marked

)

select
    order_id,
    customer_id,
    payment_method,
    channel,
    total_amount,
    discount_amount,
    version_number,
    ordered_at,
    cancelled_at,
    returned_at,
    recorded_at,
    known_at,
    superseded_at,
    withdrawn_at,
    is_appearance,
    present_until
from versions_present
