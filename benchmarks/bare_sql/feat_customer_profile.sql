-- Profile of one slice of customers: the version in force at each instant at which anything about it changed.
copy (
    with changes as (
        select
            customers.customer_number,
            versions.known_at as changed_at,
            struct_pack(
                gender := versions.gender,
                city := versions.city,
                country := versions.country,
                acquisition_channel := versions.acquisition_channel,
                email_verified := versions.email_verified,
                phone_verified := versions.phone_verified
            ) as profile
        from customer_versions as versions
        inner join customers using (customer_id)
        where customers.customer_number between {first} and {last}
        union all by name
        select customer_number, unnest([first_known_at, registered_at]) as changed_at
        from customers
        where customer_number between {first} and {last}
    ),
    in_force as (
        select
            customer_number,
            changed_at,
            last_value(any_value(profile) ignore nulls) over (partition by customer_number order by changed_at) as profile
        from changes
        group by customer_number, changed_at
    )
    select
        customers.customer_id,
        in_force.changed_at as event_timestamp,
        unnest(in_force.profile),
        case when customers.registered_at <= in_force.changed_at then customers.registered_at end as registered_at,
        case when customers.registered_at <= in_force.changed_at then customers.birth_date end as birth_date
    from in_force
    inner join customers using (customer_number)
    order by customer_number, event_timestamp
) to '{out}/feat_customer_profile/{slice}.parquet' (format parquet);
