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

{{ version_steps(
    "source", "order_id", "recorded_at",
    ["payment_method", "channel", "total_amount", "discount_amount", "cancelled_at", "returned_at"], "customer_id"
) }}

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
