{% set second_loss_starts = "greatest(second_loss_known_at, " ~ days_after("lost_at", 365) ~ ")" %}
{% set kept = {"since": "ordered_at", "until": "kept_until"} %}

{% set features = (
    windowed_count("orders_{w}d", "orders", **kept)
    + windowed_sum("spend_{w}d", "orders", "total_amount", **kept)
    + lifetime_count("orders_lifetime", "orders", until="kept_until")
    + lifetime_sum("spend_lifetime", "orders", "total_amount", until="kept_until")
    + lifetime_count("orders_placed_lifetime", "placed_orders", until="present_until")
    + windowed_count("cancelled_orders_365d", "lost_orders", "lost_at", "superseded_at", 365, starts="loss_known_at")
    + windowed_count("cancelled_orders_365d", "twice_lost_orders", "lost_again_at", "superseded_at", 365, starts=second_loss_starts)
    + windowed_sum("discount_365d", "orders", "discount_amount", days=365, **kept)
    + windowed_sum("items_90d", "orders", "quantity", days=90, **kept)
    + windowed_sum("items_90d", "order_lines", "quantity", days=90, **kept)
    + windowed_sum("items_365d", "orders", "quantity", days=365, **kept)
    + windowed_sum("items_365d", "order_lines", "quantity", days=365, **kept)
    + lifetime_count("categories_lifetime", "categories", until="present_until")
    + first_instant("first_order_at", "placed_orders", "ordered_at", "order_withdrawals")
    + last_instant("last_order_at", "placed_orders", "ordered_at", "order_withdrawals")
    + exists_from_first_fact("orders_lifetime")
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

orders as (

    select * from {{ ref("int_order_facts") }}
    where {{ in_slice("customer_number") }}

),

order_appearances as (

    select * from orders
    where is_appearance

),

order_withdrawals as (
    {{ withdrawals("order_appearances", "ordered_at") }}
),

placed_orders as (
    {{ with_epochs("order_appearances", "order_withdrawals", "order_id") }}
),

lost_orders as (

    select * from orders
    where lost_at is not null

),

twice_lost_orders as (

    select * from orders
    where lost_again_at is not null

),

order_lines as (

    select * from {{ ref("int_order_line_facts") }}
    where {{ in_slice("customer_number") }}

),

categories as (

    select * from {{ ref("int_customer_categories") }}
    where {{ in_slice("customer_number") }}

),

order_deltas as (
    {{ deltas(features) }}
),

order_totals as (
    {{ running_totals("order_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("order_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
