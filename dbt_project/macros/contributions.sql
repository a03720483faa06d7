{#
    The delta idea. A fact contributes an amount to a feature on one interval [starts, ends): it
    becomes +amount at starts and -amount at ends, or nothing where the interval is empty. A feature
    table is the running total of these deltas per customer: one row per instant of change, valid
    until the customer's next row.
#}

{#
    amount of each fact to a column, from starts on: until ends, an instant that always comes; or
    until an instant that may be null, for never; or for ever, where neither is given
#}
{% macro contribution(column, facts, amount, starts, ends=none, until=none, type="bigint") %}
    {{ return({"column": column, "facts": facts, "amount": amount, "starts": starts, "ends": ends or until,
               "always_ends": ends is not none, "type": type, "kind": "total"}) }}
{% endmacro %}

{#
    the earliest ("min") or latest ("max") value of an instant among the facts known so far and present: facts has the
    columns present_until and epoch (see epochs.sql), and withdrawals what is left at each withdrawal
#}
{% macro extreme(column, facts, kind, value, starts, withdrawals) %}
    {{ return({"column": column, "facts": facts, "amount": value, "starts": starts, "ends": "present_until",
               "always_ends": false, "type": "timestamp", "kind": kind, "epoch": "epoch", "withdrawals": withdrawals}) }}
{% endmacro %}

{# what an extreme is from a withdrawal on, among the facts that are left #}
{% macro left_extreme(part) %}
    {%- set left = {"min": "earliest_left", "max": "latest_left"}[part.kind] -%}
    {{ return({"column": part.column, "facts": part.withdrawals, "amount": left, "starts": "withdrawn_at", "ends": none,
               "always_ends": true, "type": part.type, "kind": part.kind, "epoch": "epoch"}) }}
{% endmacro %}

{# a total of DECIMAL(18,4) values, wider than they are: many of the largest still fit #}
{% macro money() %}
    {{ return("decimal(38, 4)") }}
{% endmacro %}

{# one name, type and kind per output column, in order of first appearance #}
{% macro total_columns(contributions) %}
    {%- set columns = {} -%}
    {%- for part in contributions -%}
        {%- do columns.setdefault(part.column, {"name": part.column, "type": part.type, "kind": part.kind}) -%}
    {%- endfor -%}
    {{ return(columns.values() | list) }}
{% endmacro %}
