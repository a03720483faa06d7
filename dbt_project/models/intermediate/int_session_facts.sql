with

customers as (

    select
        customer_number,
        customer_id
    from {{ ref("int_customers") }}

),

session_versions as (

    select
        customers.customer_number,
        sessions.session_id,
        sessions.version_number,
        coalesce(sessions.page_views, 0) as page_views,
        sessions.started_at,
        sessions.known_at,
        sessions.superseded_at,
        sessions.is_appearance,
        sessions.present_until
    from {{ ref("stg_sessions") }} as sessions
    inner join customers on sessions.customer_id = customers.customer_id

)

select * from session_versions
order by customer_number, started_at
