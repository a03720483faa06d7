{#
    A fact may be told again later: a new version. Copies that say the same as the version before
    them count once, known from the earliest. Each version holds until the next one is known.
#}

{# condition: this row says the same as the version before it, in every column that counts #}
{% macro repeats_previous(columns, versions) -%}
    (
        row_number() over {{ versions }} > 1
        {%- for column in columns %}
            and {{ column }} is not distinct from lag({{ column }}) over {{ versions }}
        {%- endfor %}
        )
{%- endmacro %}

{# columns that place a version among its siblings #}
{% macro version_span(key, known_at, told_at) -%}
        lead({{ known_at }}) over (partition by {{ key }} order by {{ told_at }}) as superseded_at,
        row_number() over (partition by {{ key }} order by {{ told_at }}) as version_number
{%- endmacro %}
