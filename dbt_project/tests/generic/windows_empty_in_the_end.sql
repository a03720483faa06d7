{# after a customer's last change every window has passed: what a window counts must be back at zero #}
{% test windows_empty_in_the_end(model) %}
    {%- set leftovers = [] -%}
    {%- if execute -%}
        {%- for column in declared_columns(model) if column.is_window -%}
            {%- do leftovers.append(column.name ~ " != 0") -%}
        {%- endfor -%}
    {%- endif -%}
    select
        customer_id,
        max(event_timestamp) as last_changed_at
    from {{ model }}
    group by customer_id
    having max_by({{ leftovers | join(" or ") or "false" }}, event_timestamp)
{% endtest %}
