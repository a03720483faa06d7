with

customers as (

    select
        customer_number,
        customer_id
    from {{ ref("int_customers") }}

),

quantities_per_order as (

    select
        order_id,
        cast(sum(quantity) as {{ money() }}) as quantity
    from {{ ref("stg_order_items") }}
    where not has_clock
    group by order_id

),

losses as (

    select
        *,
        {{ earliest(["cancelled_at", "returned_at"]) }} as lost_at,
        case
            when cancelled_at is not null and returned_at is not null then greatest(cancelled_at, returned_at)
        end as lost_again_at
    from {{ ref("stg_orders") }}

),

order_versions as (

    select
        customers.customer_number,
        orders.order_id,
        orders.version_number,
        orders.total_amount,
        coalesce(orders.discount_amount, 0) as discount_amount,
        coalesce(quantities_per_order.quantity, 0) as quantity,
        orders.ordered_at,
        orders.known_at,
        orders.superseded_at,
        orders.is_appearance,
        orders.present_until,
        {{ earliest(["orders.superseded_at", "orders.lost_at"]) }} as kept_until,
        orders.lost_at,
        {{ known_from("orders.lost_at", "orders.known_at") }} as loss_known_at,
        orders.lost_again_at,
        {{ known_from("orders.lost_again_at", "orders.known_at") }} as second_loss_known_at
    from losses as orders
    inner join customers on orders.customer_id = customers.customer_id
    left join quantities_per_order on orders.order_id = quantities_per_order.order_id

)

select * from order_versions
order by customer_number, ordered_at
