with

customers as (

    select
        customer_number,
        customer_id
    from {{ ref("int_customers") }}

),

versions as (

    select * from {{ ref("stg_customers") }}
    where {{ is_known("known_at") }}

),

versions_of_numbered_customers as (

    select
        customers.customer_number,
        versions.version_number,
        versions.gender,
        versions.city,
        versions.country,
        versions.acquisition_channel,
        versions.email_verified,
        versions.phone_verified,
        versions.known_at,
        versions.withdrawn_at,
        versions.restored_at
    from versions
    inner join customers on versions.customer_id = customers.customer_id

)

select * from versions_of_numbered_customers
order by customer_number, version_number
