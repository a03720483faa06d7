{# after a customer's last change every window has passed: what a window counts must be back at zero #}
{% test windows_empty_in_the_end(model) %}
    {%- set leftovers = [] -%}
    {%- if execute -%}
        {%- for column in declared_columns(model) if column.is_window -%}
            {%- do leftovers.append(column.name ~ " != 0") -%}
        {%- endfor -%}
    {%- endif -%}
    with

    states as (

        select
            customer_id,
            event_timestamp,
            {{ leftovers | join(" or ") or "false" }} as has_leftovers,
            {{ next_customer() }} as next_customer_id
        from {{ model }}

    )

    select * from states
    where has_leftovers and next_customer_id is distinct from customer_id
{% endtest %}

