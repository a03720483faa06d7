{#
    The earliest or latest instant among facts grows in one direction until a fact is withdrawn: then it may go back.
    Each withdrawal of a customer's facts begins an epoch. An extreme is kept as one number, of which the epoch is the
    upper part: the running maximum of these numbers starts anew with each epoch, from what is left then.
#}

{#
    one row per instant at which facts of a customer are withdrawn: its epoch, and the earliest and latest of an instant
    among the facts that are present from then on (null for none); facts has known_at and present_until
#}
{% macro withdrawals(facts, instant) %}
    select
        gone.customer_number,
        gone.withdrawn_at,
        row_number() over (partition by gone.customer_number order by gone.withdrawn_at) as epoch,
        min(remaining.{{ instant }}) as earliest_left,
        max(remaining.{{ instant }}) as latest_left
    from (
        select distinct
            customer_number,
            present_until as withdrawn_at
        from {{ facts }}
        where known_at < present_until
    ) as gone
    left join {{ facts }} as remaining
        on
            gone.customer_number = remaining.customer_number
            and remaining.known_at <= gone.withdrawn_at
            and (remaining.present_until is null or gone.withdrawn_at < remaining.present_until)
    group by gone.customer_number, gone.withdrawn_at
{% endmacro %}

{#
    facts with the epoch in which each becomes known; where customers merge, a key that names the customer is no longer one
    fact's alone, but facts that become known at one instant are of one epoch
#}
{% macro with_epochs(facts, withdrawals, key) %}
    select
        facts.*,
        coalesce(begun.epoch, 0) as epoch
    from {{ facts }} as facts
    left join (
        select
            facts.customer_number,
            facts.{{ key }},
            facts.version_number,
            {% if has_merges() %}facts.known_at,{% endif -%}
            max(withdrawals.epoch) as epoch
        from {{ facts }} as facts
        inner join {{ withdrawals }} as withdrawals
            on facts.customer_number = withdrawals.customer_number and withdrawals.withdrawn_at <= facts.known_at
        group by facts.customer_number, facts.{{ key }}, facts.version_number {{- ", facts.known_at" if has_merges() }}
    ) as begun
        on
            facts.customer_number = begun.customer_number
            and facts.{{ key }} = begun.{{ key }}
            and facts.version_number = begun.version_number
            {{- " and facts.known_at = begun.known_at" if has_merges() }}
{% endmacro %}

{# type of a column among the deltas #}
{% macro delta_type(column) %}
    {{ return(column.type if column.kind == "total" else extreme_number_type()) }}
{% endmacro %}

{% macro extreme_number_type() %}
    {{ return(adapter.dispatch("extreme_number_type")()) }}
{% endmacro %}

{% macro default__extreme_number_type() %} {{ return("decimal(38, 0)") }} {% endmacro %}

{% macro duckdb__extreme_number_type() %} {{ return("hugeint") }} {% endmacro %}

{# 2^64 apart, epochs cannot mix; -2^62 microseconds stands for none, below every instant #}
{% macro extreme_number(part) %}
    {%- set sign = "" if part.kind == "max" else "-" -%}
    {%- set micros = "coalesce(" ~ sign ~ micros_of(part.amount) ~ ", -4611686018427387904)" -%}
    {{ return("cast(" ~ part.epoch ~ " as " ~ extreme_number_type() ~ ") * 18446744073709551616 + " ~ micros) }}
{% endmacro %}

{# the instant in such a number, whatever its epoch; most are of the first, and need no division #}
{% macro extreme_instant(column, number) %}
    {%- set sign = "" if column.kind == "max" else "-" -%}
    {%- set left = number ~ " + 9223372036854775808" -%}
    {%- set later_micros = "((" ~ left ~ ") % 18446744073709551616 - 9223372036854775808)" -%}
    {{ return(
        "case when " ~ number ~ " = -4611686018427387904 then null when " ~ number ~ " < 9223372036854775808 then "
        ~ instant_of(sign ~ "cast(" ~ number ~ " as bigint)") ~ " when " ~ later_micros ~ " > -4611686018427387904 then "
        ~ instant_of(sign ~ "cast(" ~ later_micros ~ " as bigint)") ~ " end"
    ) }}
{% endmacro %}

{% macro micros_of(instant) %}
    {{ return(adapter.dispatch("micros_of")(instant)) }}
{% endmacro %}

{% macro default__micros_of(instant) %} {{ return("unix_micros(" ~ instant ~ ")") }} {% endmacro %}

{% macro duckdb__micros_of(instant) %} {{ return("epoch_us(" ~ instant ~ ")") }} {% endmacro %}

{% macro instant_of(micros) %}
    {{ return(adapter.dispatch("instant_of")(micros)) }}
{% endmacro %}

{# Spark makes an instant with a zone of it, which is not what the file should say #}
{% macro default__instant_of(micros) %} {{ return("cast(timestamp_micros(" ~ micros ~ ") as timestamp)") }} {% endmacro %}

{% macro duckdb__instant_of(micros) %} {{ return("make_timestamp(" ~ micros ~ ")") }} {% endmacro %}
