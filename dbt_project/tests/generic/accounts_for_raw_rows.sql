{# every fact of the raw table that was known in time is there, and none that is not in the raw table #}
{% test accounts_for_raw_rows(model, raw_table, key) %}
    {%- set table = declared_table(raw_table) if execute else {} -%}
    with

    raw_keys as (

        select distinct {{ key }} from {{ source("raw", raw_table) }}
        where {{ is_known(known_at(table.occurred_at, table.recorded_at)) }} and {{ only_selected_customers("customer_id") }}

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
