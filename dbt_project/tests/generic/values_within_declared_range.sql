{# no value lies below the minimum that its column's YAML declares #}
{% test values_within_declared_range(model) %}
    {%- set conditions = [] -%}
    {%- if execute -%}
        {%- for column in declared_columns(model) if column.minimum is not none -%}
            {%- do conditions.append(column.name ~ " is null or " ~ column.name ~ " < " ~ column.minimum) -%}
        {%- endfor -%}
    {%- endif -%}
    select *
    from {{ model }}
    where {{ conditions | join(" or ") or "false" }}
{% endtest %}
