{% set sums = [] %}
{% for days in var("windows") %}
    {% set ends = earliest(["kept_until", days_after("ordered_at", days)]) %}
    {% do sums.append(contribution("orders_" ~ days ~ "d", "orders", "1", "known_at", ends)) %}
{% endfor %}
{% for days in var("windows") %}
    {% set ends = earliest(["kept_until", days_after("ordered_at", days)]) %}
    {% do sums.append(contribution("spend_" ~ days ~ "d", "orders", "total_amount", "known_at", ends, type=money())) %}
{% endfor %}
{% set until_90d = earliest(["kept_until", days_after("ordered_at", 90)]) %}
{% set until_365d = earliest(["kept_until", days_after("ordered_at", 365)]) %}
{% set loss_ends = earliest(["superseded_at", days_after("lost_at", 365)]) %}
{% set second_loss_starts = "greatest(second_loss_known_at, " ~ days_after("lost_at", 365) ~ ")" %}
{% set second_loss_ends = earliest(["superseded_at", days_after("lost_again_at", 365)]) %}

{% set features = sums + [
    contribution("orders_lifetime", "orders", "1", "known_at", until="kept_until"),
    contribution("spend_lifetime", "orders", "total_amount", "known_at", until="kept_until", type=money()),
    contribution("orders_placed_lifetime", "placed_orders", "1", "known_at", until="present_until"),
    contribution("cancelled_orders_365d", "lost_orders", "1", "loss_known_at", loss_ends),
    contribution("cancelled_orders_365d", "twice_lost_orders", "1", second_loss_starts, second_loss_ends),
    contribution("discount_365d", "orders", "discount_amount", "known_at", until_365d, type=money()),
    contribution("items_90d", "orders", "quantity", "known_at", until_90d, type=money()),
    contribution("items_90d", "order_lines", "quantity", "known_at", until_90d, type=money()),
    contribution("items_365d", "orders", "quantity", "known_at", until_365d, type=money()),
    contribution("items_365d", "order_lines", "quantity", "known_at", until_365d, type=money()),
    contribution("categories_lifetime", "categories", "1", "known_at", until="present_until"),
    extreme("first_order_at", "placed_orders", "min", "ordered_at", "known_at", "order_withdrawals"),
    extreme("last_order_at", "placed_orders", "max", "ordered_at", "known_at", "order_withdrawals"),
    contribution("orders_lifetime", "customers", "0", "first_known_at"),
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
