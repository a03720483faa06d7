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

cutoffs as (

    select * from {{ ref("int_cutoffs") }}
    where not is_labelled

),

{{ orders_that_keep_active("label_customer_churn") }}

{{ churn_at_cutoffs() }}

select * from labels
order by customer_id, event_timestamp
