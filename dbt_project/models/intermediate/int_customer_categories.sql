-- From staging and not from int_order_facts, so that the feature table that waits for it can start with the others.
with

customers as (

    select
        customer_number,
        customer_id
    from {{ ref("int_customers") }}

),

lines as (

    select
        orders.customer_id,
        items.category,
        greatest(orders.known_at, items.known_at) as known_at,
        {{ earliest(["orders.present_until", "items.superseded_at"]) }} as present_until
    from {{ ref("stg_order_items") }} as items
    inner join {{ ref("stg_orders") }} as orders on items.order_id = orders.order_id
    where items.category is not null and orders.is_appearance

),

appearances as (

    select
        customers.customer_number,
        lines.category,
        lines.known_at,
        max(lines.present_until) as present_until,
        count(lines.present_until) = count(*) as is_withdrawn
    from lines
    inner join customers on lines.customer_id = customers.customer_id
    where lines.known_at < lines.present_until or lines.present_until is null
    group by customers.customer_number, lines.category, lines.known_at

),

-- most categories never go: one row each is enough, from when it was first known
categories_that_stay as (

    select
        customer_number,
        category,
        min(known_at) as stays_from
    from appearances
    where not is_withdrawn
    group by customer_number, category

),

-- before that, orders may bring a category and take it away again
appearances_before as (

    select
        appearances.customer_number,
        appearances.category,
        appearances.known_at,
        case
            when stay.stays_from is null or appearances.present_until < stay.stays_from then appearances.present_until
        end as present_until
    from appearances
    left join categories_that_stay as stay
        on appearances.customer_number = stay.customer_number and appearances.category = stay.category
    where appearances.is_withdrawn and (stay.stays_from is null or appearances.known_at < stay.stays_from)

),

spans_marked as (

    select
        *,
        coalesce(known_at > max(coalesce(present_until, {{ never() }})) over earlier_spans, true) as begins
    from (
        select * from appearances_before
        union all
        select
            customer_number,
            category,
            stays_from as known_at,
            null as present_until
        from categories_that_stay
    ) as spans
    window earlier_spans as (
        partition by customer_number, category order by known_at rows between unbounded preceding and 1 preceding
    )

),

spans_numbered as (

    select
        *,
        sum(case when begins then 1 else 0 end) over (partition by customer_number, category order by known_at) as span
    from spans_marked

),

categories as (

    select
        customer_number,
        category,
        min(known_at) as known_at,
        nullif(max(coalesce(present_until, {{ never() }})), {{ never() }}) as present_until
    from spans_numbered
    group by customer_number, category, span

)

select * from categories
order by customer_number
