{#
    The rule of time lives in this file and nowhere else.

    A fact has two clocks: when it occurred, and from when it was known. A build has one: the data
    clock. What is known later than an as_of instant does not exist for that build.
#}

{% macro known_at(occurred_at, loaded_at) -%}
    greatest({{ occurred_at }}, coalesce({{ loaded_at }}, {{ occurred_at }}))
{%- endmacro %}

{% macro as_of_instant() -%}
    cast('{{ var("as_of") }}' as timestamp)
{%- endmacro %}

{# a condition: the fact was known by the time this build looks back from #}
{% macro is_known(known_at) -%}
    {%- if var("as_of") is none -%} true {%- else -%} {{ known_at }} <= {{ as_of_instant() }} {%- endif -%}
{%- endmacro %}

{# condition: a row from this instant on is history, which no fact that becomes known later can change #}
{% macro is_past(instant) -%}
    {{ instant }} <= cast('{{ var("split_at") }}' as timestamp)
{%- endmacro %}

{# an instant of the build before this one, or null #}
{% macro earlier_instant(variable) -%}
    cast({{ "null" if var(variable) is none else "'" ~ var(variable) ~ "'" }} as timestamp)
{%- endmacro %}

{# an instant inside a row, or null where it lies after the time this build looks back from #}
{% macro if_known(instant) -%}
    {%- if var("as_of") is none -%}
        {{ instant }}
    {%- else -%}
        case when {{ instant }} <= {{ as_of_instant() }} then {{ instant }} end
    {%- endif -%}
{%- endmacro %}

{#
    an instant of what happens later to a row, or null while it is only announced: where it lies after the last
    ingest. It may not move the data clock.
#}
{% macro if_come(instant) -%}
    {%- set ingested_at = last_ingest() -%}
    {%- if ingested_at is none -%}
        {{ instant }}
    {%- else -%}
        case when {{ instant }} <= cast('{{ ingested_at }}' as timestamp) then {{ instant }} end
    {%- endif -%}
{%- endmacro %}

{# from when a thing that happens later to a fact was known: never before the version that carries it #}
{% macro known_from(occurred_at, known_at) -%}
    case when {{ occurred_at }} is not null then greatest({{ occurred_at }}, {{ known_at }}) end
{%- endmacro %}

{% macro days_after(instant, days) -%}
    {{ instant }} + interval '{{ days }}' day
{%- endmacro %}

{% macro days_before(instant, days) -%}
    {{ instant }} - interval '{{ days }}' day
{%- endmacro %}

{#
    until when a table was delivered whose newest row became known at its clock: to the end of that day (UTC),
    and never past the data clock. It never goes back when data come.
#}
{% macro delivered_until(data_clock, table_clock) -%}
    least({{ data_clock }}, cast(date_trunc('day', {{ table_clock }}) as timestamp) + interval '1' day)
{%- endmacro %}

{# earlier than any instant of the data #}
{% macro always() -%}
    cast('1800-01-01' as timestamp)
{%- endmacro %}

{# later than any instant of the data #}
{% macro never() -%}
    cast('9999-01-01' as timestamp)
{%- endmacro %}

{# the earliest of several instants; one that is null never comes (Spark's least takes no single value) #}
{% macro earliest(instants) -%}
    {{ instants[0] if instants | length == 1 else "least(" ~ instants | join(", ") ~ ")" }}
{%- endmacro %}

{# the latest of several instants; null counts for nothing #}
{% macro latest(instants) -%}
    {{ instants[0] if instants | length == 1 else "greatest(" ~ instants | join(", ") ~ ")" }}
{%- endmacro %}

{# a value that holds from an instant on, seen from another instant #}
{% macro once(value, holds_from, seen_at) -%}
    case when {{ holds_from }} <= {{ seen_at }} then {{ value }} end
{%- endmacro %}

{# whole seconds from one instant to another #}
{% macro whole_seconds(from_instant, to_instant) -%}
    {{ adapter.dispatch("whole_seconds")(from_instant, to_instant) }}
{%- endmacro %}

{% macro default__whole_seconds(from_instant, to_instant) -%}
    (unix_micros({{ to_instant }}) - unix_micros({{ from_instant }})) div 1000000
{%- endmacro %}

{% macro duckdb__whole_seconds(from_instant, to_instant) -%}
    (epoch_us({{ to_instant }}) - epoch_us({{ from_instant }})) // 1000000
{%- endmacro %}

{#
    Cut-offs are the whole multiples of cutoff_every_days, or of the days of another cadence, since Monday 1970-01-05,
    so that new data never moves them. Their number counts from there.
#}
{% macro cutoff_at_or_after(instant, every=none) -%}
    {{ adapter.dispatch("cutoff_at_or_after")(instant, (every or var("cutoff_every_days")) * 86400000000) }}
{%- endmacro %}

{% macro default__cutoff_at_or_after(instant, step) -%}
    ((unix_micros({{ instant }}) - 345600000000 + {{ step - 1 }}) div {{ step }})
{%- endmacro %}

{% macro duckdb__cutoff_at_or_after(instant, step) -%}
    ((epoch_us({{ instant }}) - 345600000000 + {{ step - 1 }}) // {{ step }})
{%- endmacro %}

{% macro cutoff_instant(cutoff_number, every=none) -%}
    {{ instant_of("345600000000 + " ~ cutoff_number ~ " * " ~ (every or var("cutoff_every_days")) * 86400000000) }}
{%- endmacro %}
