{#
    The delta idea. A fact contributes an amount to a feature on one interval [starts, ends): it
    becomes +amount at starts and -amount at ends, or nothing where the interval is empty. A feature
    table is the running total of these deltas per customer: one row per instant of change, valid
    until the customer's next row.
#}

{# amount of each fact to a column from starts until ends (none: for ever) #}
{% macro contribution(column, facts, amount, starts, ends=none, type="bigint") %}
    {{ return({"column": column, "facts": facts, "amount": amount, "starts": starts, "ends": ends,
               "type": type, "kind": "total"}) }}
{% endmacro %}

{# the earliest ("min") or latest ("max") value of an instant among the facts known so far #}
{% macro extreme(column, facts, kind, value, starts) %}
    {{ return({"column": column, "facts": facts, "amount": value, "starts": starts, "ends": none,
               "type": "timestamp", "kind": kind}) }}
{% endmacro %}

{# one name, type and kind per output column, in order of first appearance #}
{% macro total_columns(contributions) %}
    {%- set columns = {} -%}
    {%- for part in contributions -%}
        {%- do columns.setdefault(part.column, {"name": part.column, "type": part.type, "kind": part.kind}) -%}
    {%- endfor -%}
    {{ return(columns.values() | list) }}
{% endmacro %}

{# condition: the interval is not empty #}
{% macro interval_holds(part, at_end) %}
    {%- if part.ends is none -%} {{ return("true") }}
    {%- elif at_end -%} {{ return(part.starts ~ " < " ~ part.ends) }}
    {%- else -%} {{ return(part.starts ~ " is not null and (" ~ part.ends ~ " is null or " ~ part.starts ~ " < " ~ part.ends ~ ")") }}
    {%- endif -%}
{% endmacro %}

{# what one contribution adds at one end of its interval #}
{% macro delta_term(part, at_end) %}
    {%- set holds = interval_holds(part, at_end) -%}
    {%- set amount = "-(" ~ part.amount ~ ")" if at_end else part.amount -%}
    {{ return(amount if holds == "true" else "case when " ~ holds ~ " then " ~ amount ~ " else 0 end") }}
{% endmacro %}

{# {(facts, instant): [{part, at_end}]}: all that happens at the same instant of a fact is one row #}
{% macro instants_of_change(contributions) %}
    {%- set moments = {} -%}
    {%- for part in contributions -%}
        {%- do moments.setdefault((part.facts, part.starts), []).append({"part": part, "at_end": false}) -%}
        {%- if part.ends is not none -%}
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
    {{ return("cast(" ~ (terms | join(" + ") or nothing) ~ " as " ~ column.type ~ ")") }}
{% endmacro %}

{# all contributions as rows (customer_number, changed_at, one delta per column) #}
{% macro deltas(contributions) %}
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

{# deltas that fall on the same instant, as one row #}
{% macro deltas_per_instant(deltas, contributions) %}
    select
        customer_number,
        changed_at,
        {%- for column in total_columns(contributions) %}
        cast({{ "sum" if column.kind == "total" else column.kind }}({{ column.name }}) as {{ column.type }}) as {{ column.name }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from {{ deltas }}
    group by customer_number, changed_at
{% endmacro %}

{# the running total per customer: the state from changed_at until the next row #}
{% macro running_totals(deltas, contributions) %}
    select
        customer_number,
        changed_at,
        {%- for column in total_columns(contributions) %}
        cast({{ "sum" if column.kind == "total" else column.kind }}({{ column.name }}) over so_far as {{ column.type }})
            as {{ column.name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ deltas }}
    window so_far as (
        partition by customer_number
        order by changed_at
        rows between unbounded preceding and current row
    )
{% endmacro %}

{# the running totals under the customers' own keys, columns in the order they were listed #}
{% macro name_customers(totals, contributions) %}
    select
        customers.customer_id,
        {{ totals }}.changed_at as event_timestamp,
        {%- for column in total_columns(contributions) %}
        {{ totals }}.{{ column.name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ totals }}
    inner join customers on {{ totals }}.customer_number = customers.customer_number
{% endmacro %}

{% macro money() %}
    {{ return("decimal(18, 4)") }}
{% endmacro %}
