{#
    The last row: of a customer's facts that are present, the one that comes last in an order. Its number in that order,
    as an instant, is totalled as any latest instant is; last_value then looks up a column of it.
#}

{# the place of a fact among those of its customer, in the order of some columns, as an instant #}
{% macro row_in_order() -%}
    {{ instant_of("row_number() over (partition by customer_number order by " ~ varargs | join(", ") ~ ")") }}
{%- endmacro %}
