{# condition: the interval is not empty #}
{% macro interval_holds(part, at_end) %}
    {%- if part.ends is none -%} {{ return("true") }}
    {%- elif at_end or part.always_ends -%} {{ return(part.starts ~ " < " ~ part.ends) }}
    {%- else -%} {{ return(part.starts ~ " is not null and (" ~ part.ends ~ " is null or " ~ part.starts ~ " < " ~ part.ends ~ ")") }}
    {%- endif -%}
{% endmacro %}

{# what one contribution adds at one end of its interval #}
{% macro delta_term(part, at_end) %}
    {%- set holds = interval_holds(part, at_end) -%}
    {%- if part.kind != "total" -%}
        {%- set number = extreme_number(part) -%}
        {{ return(number if holds == "true" else "case when " ~ holds ~ " then " ~ number ~ " end") }}
    {%- endif -%}
    {%- set amount = "-(" ~ part.amount ~ ")" if at_end else part.amount -%}
    {{ return(amount if holds == "true" else "case when " ~ holds ~ " then " ~ amount ~ " else 0 end") }}
{% endmacro %}

{# {(facts, instant): [{part, at_end}]}: all that happens at the same instant of a fact is one row #}
{% macro instants_of_change(contributions) %}
    {%- set moments = {} -%}
    {%- for part in contributions -%}
        {%- do moments.setdefault((part.facts, part.starts), []).append({"part": part, "at_end": false}) -%}
        {%- if part.kind != "total" -%}
            {%- set left = left_extreme(part) -%}
            {%- do moments.setdefault((left.facts, left.starts), []).append({"part": left, "at_end": false}) -%}
        {%- elif part.ends is not none -%}
            {%- do moments.setdefault((part.facts, part.ends), []).append({"part": part, "at_end": true}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(moments) }}
{% endmacro %}

{# one column of one branch: the sum of the terms for it, or nothing #}
{% macro delta_value(column, changes) %}
    {%- set terms = [] -%}
    {%- for change in changes if change.part.column == column.name -%}
        {%- do terms.append(delta_term(change.part, change.at_end)) -%}
    {%- endfor -%}
    {%- set nothing = "0" if column.kind == "total" else "null" -%}
    {{ return("cast(" ~ (terms | join(" + ") or nothing) ~ " as " ~ delta_type(column) ~ ")") }}
{% endmacro %}

{# all contributions as rows (customer_number, changed_at, one delta per column), listed first in a comment that receipts read #}
{% macro deltas(contributions) %}
    /* contributions
    {%- for part in contributions %}
    {{ tojson(part) | replace("*/", "*\\/") }}
    {%- endfor %}
    */
    {%- set columns = total_columns(contributions) -%}
    {%- for (facts, instant), changes in instants_of_change(contributions).items() %}
        {%- set conditions = [] -%}
        {%- for change in changes -%}
            {%- set holds = interval_holds(change.part, change.at_end) -%}
            {%- if holds not in conditions -%} {%- do conditions.append(holds) -%} {%- endif -%}
        {%- endfor %}
    select
        customer_number,
        {{ instant }} as changed_at,
        {%- for column in columns %}
        {{ delta_value(column, changes) }} as {{ column.name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ facts }}
        {%- if "true" not in conditions %}
    where {{ conditions | join(" or ") }}
        {%- endif %}
        {%- if not loop.last %}

    union all
        {%- endif %}
    {%- endfor %}
{% endmacro %}
