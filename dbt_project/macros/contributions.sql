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
{% macro extreme(column, facts, kind, value, starts, withdrawals, looked_up=none) %}
    {{ return({"column": column, "facts": facts, "amount": value, "starts": starts, "ends": "present_until",
               "always_ends": false, "type": "timestamp", "kind": kind, "epoch": "epoch", "withdrawals": withdrawals,
               "looked_up": looked_up}) }}
{% endmacro %}

{# what an extreme is from a withdrawal on, among the facts that are left #}
{% macro left_extreme(part) %}
    {%- set left = {"min": "earliest_left", "max": "latest_left"}[part.kind] -%}
    {{ return({"column": part.column, "facts": part.withdrawals, "amount": left, "starts": "withdrawn_at", "ends": none,
               "always_ends": true, "type": part.type, "kind": part.kind, "epoch": "epoch"}) }}
{% endmacro %}

{#
    The words of a feature model, each a list of contributions: what counts, in which column, from facts that are known.
    since names the instant from which a window runs, until one that ends a fact before that, starts one that it counts
    from when this is not known_at. days is a window; without it there is one column for each of the variable windows,
    "{w}" in its name standing for the days.
#}
{% macro windowed_sum(column, facts, amount, since, until, days=none, starts="known_at", type=none) %}
    {%- set made = [] -%}
    {%- for window in (var("windows") if days is none else [days]) -%}
        {%- set name, ends = column | replace("{w}", window), earliest([until, days_after(since, window)]) -%}
        {%- do made.append(contribution(name, facts, amount, starts, ends, type=type or money())) -%}
    {%- endfor -%}
    {{ return(made) }}
{% endmacro %}

{% macro windowed_count(column, facts, since, until, days=none, starts="known_at") %}
    {{ return(windowed_sum(column, facts, "1", since, until, days, starts, "bigint")) }}
{% endmacro %}

{% macro lifetime_sum(column, facts, amount, until, starts="known_at") %}
    {{ return([contribution(column, facts, amount, starts, until=until, type=money())]) }}
{% endmacro %}

{% macro lifetime_count(column, facts, until, starts="known_at") %}
    {{ return([contribution(column, facts, "1", starts, until=until)]) }}
{% endmacro %}

{% macro first_instant(column, facts, instant, withdrawals) %}
    {{ return([extreme(column, facts, "min", instant, "known_at", withdrawals)]) }}
{% endmacro %}

{% macro last_instant(column, facts, instant, withdrawals) %}
    {{ return([extreme(column, facts, "max", instant, "known_at", withdrawals)]) }}
{% endmacro %}

{#
    a column, of any type, of the last in order of the facts that are present (see last_rows.sql): facts has row_at beside
    what an extreme needs
#}
{% macro last_value(column, facts, value, withdrawals) %}
    {{ return([extreme(column, facts, "max", "row_at", "known_at", withdrawals, looked_up=value)]) }}
{% endmacro %}

{# nothing, from the customer's first known fact on: so that every customer has a row from then #}
{% macro exists_from_first_fact(column) %}
    {{ return([contribution(column, "customers", "0", "first_known_at")]) }}
{% endmacro %}

{# a total of DECIMAL(18,4) values, wider than they are: many of the largest still fit #}
{% macro money() %}
    {{ return("decimal(38, 4)") }}
{% endmacro %}

{# one name, type and kind per output column, in order of first appearance #}
{% macro total_columns(contributions) %}
    {%- set columns = {} -%}
    {%- for part in contributions -%}
        {%- do columns.setdefault(part.column, {
            "name": part.column, "type": part.type, "kind": part.kind, "facts": part.facts, "looked_up": part.looked_up,
        }) -%}
    {%- endfor -%}
    {{ return(columns.values() | list) }}
{% endmacro %}
