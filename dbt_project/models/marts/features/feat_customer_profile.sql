with

customers as (

    select * from {{ ref("int_customers") }}
    where {{ in_slice("customer_number") }}

),

versions as (

    select * from {{ ref("int_customer_versions") }}
    where {{ in_slice("customer_number") }}

),

changes as (

    select
        customer_number,
        first_known_at as changed_at,
        0 as state
    from customers
    union all
    select
        customer_number,
        registered_at as changed_at,
        0 as state
    from customers
    where registered_at is not null
    union all
    select
        customer_number,
        known_at as changed_at,
        2 * version_number as state
    from versions
    union all
    -- nothing holds once a version is withdrawn, until the next
    select
        customer_number,
        withdrawn_at as changed_at,
        2 * version_number + 1 as state
    from versions
    where withdrawn_at is not null

),

changes_at_one_instant as (

    select
        customer_number,
        changed_at,
        max(state) as state
    from changes
    group by customer_number, changed_at

),

versions_in_force as (

    select
        customer_number,
        changed_at,
        max(state) over (partition by customer_number order by changed_at) as state
    from changes_at_one_instant

),

profiles as (

    select
        customers.customer_id,
        versions_in_force.changed_at as event_timestamp,
        versions.gender,
        versions.city,
        versions.country,
        versions.acquisition_channel,
        versions.email_verified,
        versions.phone_verified,
        case
            when versions_in_force.state % 2 = 0
                then {{ once("customers.registered_at", "customers.registered_at", "versions_in_force.changed_at") }}
        end as registered_at,
        case
            when versions_in_force.state % 2 = 0
                then {{ once("customers.birth_date", "customers.registered_at", "versions_in_force.changed_at") }}
        end as birth_date
    from versions_in_force
    inner join customers on versions_in_force.customer_number = customers.customer_number
    left join versions
        on
            versions_in_force.customer_number = versions.customer_number
            and versions_in_force.state = 2 * versions.version_number

)

select * from profiles
order by customer_id, event_timestamp
