-- each label, worked out again from the orders themselves
with

finally_kept_orders as (

    select customer_id, ordered_at from {{ ref("stg_orders") }}
    where superseded_at is null and cancelled_at is null and returned_at is null

),

labels as (

    select * from {{ ref("label_customer_churn") }}
    union all
    select * from {{ ref("label_to_come") }}

),

recounted as (

    select
        labels.customer_id,
        labels.event_timestamp,
        labels.churned,
        count(orders.ordered_at) as orders_ahead
    from labels
    left join finally_kept_orders as orders
        on
            labels.customer_id = orders.customer_id
            and orders.ordered_at > labels.event_timestamp
            and orders.ordered_at <= {{ days_after("labels.event_timestamp", var("horizon_days")) }}
    group by labels.customer_id, labels.event_timestamp, labels.churned

)

select * from recounted
where (churned = 1) != (orders_ahead = 0)
