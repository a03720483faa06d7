-- Lines with a clock of their own: they count while both they and a version of their order do.
with

lines as (

    select
        orders.customer_number,
        items.order_id,
        items.line_number,
        items.version_number,
        orders.version_number as order_version_number,
        items.quantity,
        orders.ordered_at,
        greatest(orders.known_at, items.known_at) as known_at,
        {{ earliest(["items.superseded_at", "orders.superseded_at"]) }} as superseded_at,
        {{ earliest(["items.superseded_at", "orders.kept_until"]) }} as kept_until
    from {{ ref("stg_order_items") }} as items
    inner join {{ ref("int_order_facts") }} as orders on items.order_id = orders.order_id
    where items.has_clock

)

select * from lines
where known_at < kept_until or kept_until is null
order by customer_number, ordered_at
