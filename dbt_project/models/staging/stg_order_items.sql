with

source as (

    select distinct
        order_id,
        line_number,
        product_id,
        category,
        quantity,
        unit_price
    from {{ source("raw", "order_items") }}
    where {{ of_chosen_orders("order_id", source("raw", "orders")) }}

)

select * from source
