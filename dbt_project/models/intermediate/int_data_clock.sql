with

known_facts as (

    select registered_at as known_at from {{ ref("stg_customers") }}
    union all
    select greatest(known_at, {{ if_come("withdrawn_at") }}) from {{ ref("stg_customers") }}
    union all
    select
        greatest(
            known_at,
            {{ if_come(earliest(["cancelled_at", "superseded_at"])) }},
            {{ if_come(earliest(["returned_at", "superseded_at"])) }},
            {{ if_come("withdrawn_at") }}
        )
    from {{ ref("stg_orders") }}
    union all
    select greatest(orders.known_at, items.known_at, {{ if_come("items.withdrawn_at") }})
    from {{ ref("stg_order_items") }} as items
    inner join {{ ref("stg_orders") }} as orders on items.order_id = orders.order_id
    where items.has_clock and orders.version_number = 1
    union all
    select
        greatest(
            known_at,
            {{ if_come(earliest(["resolved_at", "superseded_at"])) }},
            {{ if_come(earliest(["rated_at", "superseded_at"])) }},
            {{ if_come("withdrawn_at") }}
        )
    from {{ ref("stg_support_tickets") }}
    union all
    select greatest(known_at, {{ if_come("withdrawn_at") }}) from {{ ref("stg_sessions") }}
    {{ or_other_known_instants() }}
    {{ or_merges_known() }}

),

data_clock as (

    select
        {{ earliest(["min(known_at)", earlier_instant("earlier_first_known_at")]) }} as first_known_at,
        {% if var("as_of") is none %}
            {{ latest(["max(known_at)", earlier_instant("earlier_data_clock")]) }} as data_clock
        {% else %}
            {{ as_of_instant() }} as data_clock
        {% endif %}
    from known_facts

),

clocks as (

    select
        data_clock.first_known_at,
        data_clock.data_clock,
        orders_clock.orders_clock,
        case
            when orders_clock.orders_clock is not null
                then {{ delivered_until("data_clock.data_clock", "orders_clock.orders_clock") }}
        end as orders_delivered_until
    from data_clock
    cross join {{ ref("stg_orders_clock") }} as orders_clock

)

select * from clocks
