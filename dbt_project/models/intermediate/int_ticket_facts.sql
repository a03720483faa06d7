with

customers as (

    select
        customer_number,
        customer_id
    from {{ ref("int_customers") }}

),

tickets as (

    select * from {{ ref("stg_support_tickets") }}

),

ticket_versions as (

    select
        customers.customer_number,
        tickets.ticket_id,
        tickets.version_number,
        tickets.satisfaction_score,
        {{ whole_seconds("tickets.opened_at", "tickets.resolved_at") }} as resolution_seconds,
        tickets.opened_at,
        tickets.resolved_at,
        {{ known_from("tickets.resolved_at", "tickets.known_at") }} as resolution_known_at,
        tickets.rated_at,
        {{ known_from("tickets.rated_at", "tickets.known_at") }} as rating_known_at,
        tickets.known_at,
        tickets.superseded_at,
        tickets.is_appearance,
        tickets.present_until
    from tickets
    inner join customers on tickets.customer_id = customers.customer_id

)

select * from ticket_versions
order by customer_number, opened_at
