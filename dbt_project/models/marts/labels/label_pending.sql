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

first_cutoff as (

    select min(cutoff_at) as cutoff_at from cutoffs

),

orders as (

    select facts.*
    from {{ ref("int_order_facts") }} as facts
    inner join first_cutoff on {{ days_after("facts.ordered_at", var("active_within_days")) }} > first_cutoff.cutoff_at
    where {{ in_slice("facts.customer_number") }}

),

{{ churn_at_cutoffs() }}

select * from labels
order by customer_id, event_timestamp
