with

customers as (

    select distinct
        customer_id,
        birth_date,
        registered_at
    from {{ ref("stg_customers") }}

),

known_facts as (

    select
        customer_id,
        registered_at as known_at
    from customers
    union all
    select
        customer_id,
        known_at
    from {{ ref("stg_customers") }}
    union all
    select
        customer_id,
        known_at
    from {{ ref("stg_orders") }}
    union all
    select
        customer_id,
        known_at
    from {{ ref("stg_support_tickets") }}
    union all
    select
        customer_id,
        known_at
    from {{ ref("stg_sessions") }}
    {{ or_other_known_facts() }}

),

first_known_facts as (

    select
        customer_id,
        min(known_at) as first_known_at
    from known_facts
    where {{ is_known("known_at") }} {{ and_before_merge("known_facts.customer_id", "known_facts.known_at") }}
    group by customer_id

),

customers_numbered as (

    select
        cast(row_number() over (order by customers.customer_id) as bigint) as customer_number,
        customers.customer_id,
        customers.birth_date,
        {{ if_known("customers.registered_at") }} as registered_at,
        first_known_facts.first_known_at
    from customers
    inner join first_known_facts on customers.customer_id = first_known_facts.customer_id

)

select * from customers_numbered
order by customer_number
