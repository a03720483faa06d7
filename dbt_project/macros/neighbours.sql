{#
    Feature tables are stored in the order of their keys, and DuckDB reads them back in that order: a
    neighbour is then found without sorting again. Other engines sort.
#}

{% macro previous_key(columns) -%}
    {{ adapter.dispatch("previous_key")(columns) }}
{%- endmacro %}

{% macro default__previous_key(columns) -%}
    lag(struct({{ columns | join(", ") }})) over (order by {{ columns | join(", ") }})
{%- endmacro %}

{% macro duckdb__previous_key(columns) -%}
    lag({{ duckdb__this_key(columns) }}) over ()
{%- endmacro %}

{# condition: here the files of history end and those of rows to come begin #}
{% macro starts_what_is_to_come() -%}
    ({{ is_past("previous_key.event_timestamp") }} and not {{ is_past("this_key.event_timestamp") }})
{%- endmacro %}

{% macro this_key(columns) -%}
    {{ adapter.dispatch("this_key")(columns) }}
{%- endmacro %}

{% macro default__this_key(columns) -%} struct({{ columns | join(", ") }}) {%- endmacro %}

{% macro duckdb__this_key(columns) -%}
    struct_pack({% for column in columns %}{{ column }} := {{ column }}{{ ", " if not loop.last }}{% endfor %})
{%- endmacro %}
