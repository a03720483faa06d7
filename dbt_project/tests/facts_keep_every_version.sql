-- joining facts to their customers and items loses no version and doubles none
select * from (
    select
        'orders' as subject,
        (select count(*) from {{ ref("stg_orders") }}) as staged,
        (select count(*) from {{ ref("int_order_facts") }}) as kept
    union all
    select
        'tickets' as subject,
        (select count(*) from {{ ref("stg_support_tickets") }}) as staged,
        (select count(*) from {{ ref("int_ticket_facts") }}) as kept
    union all
    select
        'sessions' as subject,
        (select count(*) from {{ ref("stg_sessions") }}) as staged,
        (select count(*) from {{ ref("int_session_facts") }}) as kept
) as counts
where staged != kept
