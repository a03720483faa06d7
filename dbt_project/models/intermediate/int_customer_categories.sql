-- From staging and not from int_order_facts, so that the feature table that waits for it can start with the others.
with

customers as (

    select
        customer_number,
        customer_id
    from {{ ref("int_customers") }}

),

orders as (

    select
        order_id,
        customer_id,
        known_at
    from {{ ref("stg_orders") }}
    where version_number = 1

),

categories_first_known as (

    select
        customers.customer_number,
        items.category,
        min(orders.known_at) as known_at
    from {{ ref("stg_order_items") }} as items
    inner join orders on items.order_id = orders.order_id
    inner join customers on orders.customer_id = customers.customer_id
    where items.category is not null
    group by customers.customer_number, items.category

)

select * from categories_first_known
order by customer_number
