{# the table has the columns its YAML declares, in that order and of those types, and no others: a row for each that differs #}
{% test columns_as_declared(model) %}
    {%- set found = {} -%}
    {%- set declared = {} -%}
    {%- if execute and flags.WHICH in ("build", "test") -%}
        {%- for column in adapter.get_columns_in_relation(model) -%}
            {%- do found.update({column.name | lower: declared_name_of_type(column.data_type | lower)}) -%}
        {%- endfor -%}
        {%- for column in declared_columns(model) -%}
            {%- do declared.update({column.name | lower: column.data_type | lower}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set differing = differing_columns(model.identifier, declared, found) -%}
    {%- for sentence in differing -%}
        {%- do log(sentence, info=true) -%}
        select '{{ sentence }}' as difference {{ "union all " if not loop.last }}
    {%- endfor -%}
    {%- if not differing -%}
        select '' as difference
        where false
    {%- endif -%}
{% endtest %}
