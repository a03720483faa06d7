{# the table has the columns its YAML declares, in that order and of those types, and no others #}
{% test columns_as_declared(model) %}
    {%- set found = [] -%}
    {%- set declared = [] -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(model) -%}
            {%- do found.append((column.name ~ " " ~ column.data_type) | lower | replace("character varying(256)", "varchar")) -%}
        {%- endfor -%}
        {%- for column in declared_columns(model) -%}
            {%- do declared.append((column.name ~ " " ~ column.data_type) | lower) -%}
        {%- endfor -%}
    {%- endif -%}
    select
        '{{ declared | join("; ") }}' as declared,
        '{{ found | join("; ") }}' as found
    where {{ "false" if declared == found else "true" }}
{% endtest %}
