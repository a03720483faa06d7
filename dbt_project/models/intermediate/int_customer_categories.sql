with

orders as (

    select
        customer_number,
        order_id,
        known_at
    from {{ ref("int_order_facts") }}
    where version_number = 1

),

categories_first_known as (

    select
        orders.customer_number,
        items.category,
        min(orders.known_at) as known_at
    from {{ ref("stg_order_items") }} as items
    inner join orders on items.order_id = orders.order_id
    where items.category is not null
    group by orders.customer_number, items.category

)

select * from categories_first_known
order by customer_number
