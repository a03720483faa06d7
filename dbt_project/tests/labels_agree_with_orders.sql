-- each label, worked out again from the orders themselves
with

finally_kept_orders as (

    select
        orders.customer_id,
        orders.ordered_at
    from {{ ref("stg_orders") }} as orders
    cross join {{ ref("int_data_clock") }} as clocks
    where {{ has_not_come("orders.superseded_at") }} and {{ has_not_come("orders.cancelled_at") }}
        and {{ has_not_come("orders.returned_at") }}

),

labels as (

    select * from {{ ref("label_customer_churn") }}
    union all
    select * from {{ ref("label_pending") }}

),

labels_of_owners as (

    select
        labels.*,
        {{ final_owner("labels.customer_id") }} as owner_id
    from labels

),

recounted as (

    select
        labels.customer_id,
        labels.event_timestamp,
        labels.churned,
        count(orders.ordered_at) as orders_ahead
    from labels_of_owners as labels
    left join finally_kept_orders as orders
        on
            labels.owner_id = orders.customer_id
            and orders.ordered_at > labels.event_timestamp
            and orders.ordered_at <= {{ days_after("labels.event_timestamp", var("horizon_days")) }}
    group by labels.customer_id, labels.event_timestamp, labels.churned

)

select * from recounted
where (churned = 1) != (orders_ahead = 0)
