{% set activity = [active_orders("orders", label_term("active_within_days", "label_customer_churn")), absent_customers()] %}

with

customers as (

    select
        customer_number,
        customer_id
    from {{ ref("int_customers") }}
    where {{ in_slice("customer_number") }}

),

absences as (

    select
        customer_number,
        withdrawn_at,
        restored_at
    from {{ ref("int_customer_versions") }}
    where withdrawn_at is not null and {{ in_slice("customer_number") }}

),

orders as (

    select * from {{ ref("int_order_facts") }}
    where {{ in_slice("customer_number") }}

),

activity_deltas as (
    {{ deltas(activity) }}
),

active_orders_over_time as (
    {{ running_totals("activity_deltas", activity) }}
),

turns as (

    select
        customer_number,
        changed_at,
        active_orders > 0 and absences = 0 as is_active
    from active_orders_over_time

),

turns_marked as (

    select
        *,
        coalesce(lag(is_active) over (partition by customer_number order by changed_at), false) as was_active
    from turns

),

stretches as (

    select
        customer_number,
        is_active,
        changed_at as active_from,
        lead(changed_at) over (partition by customer_number order by changed_at) as active_until
    from turns_marked
    where is_active != was_active

),

active_stretches as (

    select
        customers.customer_id,
        stretches.active_from,
        stretches.active_until
    from stretches
    inner join customers on stretches.customer_number = customers.customer_number
    where stretches.is_active

)

select * from active_stretches
order by customer_id, active_from
