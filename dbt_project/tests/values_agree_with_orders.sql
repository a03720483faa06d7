-- each customer value, added up again from the orders themselves
with

finally_kept_orders as (

    select
        orders.customer_id,
        orders.ordered_at,
        orders.total_amount
    from {{ ref("stg_orders") }} as orders
    cross join {{ ref("int_data_clock") }} as clocks
    where {{ has_not_come("orders.superseded_at") }} and {{ has_not_come("orders.cancelled_at") }}
        and {{ has_not_come("orders.returned_at") }}

),

labels as (

    select * from {{ ref("label_customer_value") }}
    union all
    select * from {{ ref("label_value_pending") }}

),

labels_of_owners as (

    select
        labels.*,
        {{ final_owner("labels.customer_id") }} as owner_id
    from labels

),

added_up as (

    select
        labels.customer_id,
        labels.event_timestamp,
        labels.label,
        coalesce(sum(orders.total_amount), 0) as kept_spend
    from labels_of_owners as labels
    left join finally_kept_orders as orders
        on
            labels.owner_id = orders.customer_id
            and orders.ordered_at > labels.event_timestamp
            and orders.ordered_at <= {{ days_after("labels.event_timestamp", label_term("horizon_days", "label_customer_value")) }}
    group by labels.customer_id, labels.event_timestamp, labels.label

)

select * from added_up
where label != kept_spend
