{#
    Files are called what they are called: in a text of SQL a quote is doubled, and where DuckDB takes a pattern
    its signs stand for themselves. (sources.yml, which can call no macro, does the same.)
#}

{% macro quoted_name(path) -%}
    {{ path | replace("'", "''") }}
{%- endmacro %}

{% macro exact_name(path) -%}
    {{ quoted_name(path) | replace("[", "[[]") | replace("*", "[*]") | replace("?", "[?]") }}
{%- endmacro %}
