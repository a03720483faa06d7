{# one row per whole number from first to last, both included; none where last < first #}
{% macro each_integer(first, last) -%}
    {{ adapter.dispatch("each_integer")(first, last) }}
{%- endmacro %}

{% macro default__each_integer(first, last) -%}
    explode(case when {{ first }} <= {{ last }} then sequence({{ first }}, {{ last }}) else array() end)
{%- endmacro %}

{% macro duckdb__each_integer(first, last) -%}
    unnest(range({{ first }}, {{ last }} + 1))
{%- endmacro %}
