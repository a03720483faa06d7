{# every fact of the raw table that was known in time is there, and none that is not in the raw table #}
{% test accounts_for_raw_rows(model, raw_table, key) %}
    {%- set occurred_at = {"orders": "ordered_at", "support_tickets": "opened_at", "sessions": "started_at"}[raw_table] -%}
    with

    raw_keys as (

        select distinct {{ key }} from {{ source("raw", raw_table) }}
        where {{ is_known(known_at(occurred_at, "loaded_at")) }} and {{ only_selected_customers("customer_id") }}

    ),

    staged_keys as (

        select distinct {{ key }} from {{ model }}

    )

    select
        raw_keys.{{ key }} as raw_key,
        staged_keys.{{ key }} as staged_key
    from raw_keys
    full outer join staged_keys on raw_keys.{{ key }} = staged_keys.{{ key }}
    where raw_keys.{{ key }} is null or staged_keys.{{ key }} is null
{% endtest %}
