{#
    The whole of a staging model of facts that name their customer: one row per version of a fact and customer who owns
    it, copies counted once, with the time for which it holds. Beside the declared columns, the recorded one excepted:

    version_number   1 for the earliest version, then counting up
    recorded_at      the instant that orders the versions
    known_at         from when the version is known
    superseded_at    when the next version became known, or the fact was withdrawn; null while it holds
    withdrawn_at     when its deletion became known
    is_appearance    the fact appears with this version
    present_until    when it is withdrawn, whichever version holds then

    What happens later to a fact is null in a build that looks back from before it; so is a value that counts from then.
    Of states, which hold from one instant to another, also

    end_known_at     from when their end is known: from its announcement, else when it comes
    active_until     until when this version says that the state holds
#}
{% macro staged_versions(name) %}
    {%- set raw_rows = source("raw", name) -%}
    {%- if execute -%}
        {{ versions_of(declared_table(name), raw_rows) }}
    {%- else -%}
        select * from {{ raw_rows }}
    {%- endif -%}
{% endmacro %}

{% macro versions_of(table, raw_rows) %}
    {%- set key = table.key | join(", ") -%}
    {%- set own = [table.recorded_at] + table.key + [table.customer_key, table.occurred_at] -%}
    {%- set content = table.columns | reject("in", own) | list -%}
    {%- set replaced = table.counts_from.values() | map("first") | list -%}
    {%- set known = known_at(table.occurred_at, table.recorded_at) -%}
with

source as (

    select
        {% for column in table.columns if column != table.recorded_at and column not in table.later -%}
            {{ column }},
        {% endfor -%}
        {% for column in table.later -%}
            {{ column if table.counts_from else later_instant(table, column) }} as {{ column }},
        {% endfor -%}
        {% for column, instants in table.counts_from.items() -%}
            coalesce({{ instants | join(", ") }}, {{ known }}) as {{ column }}_counts_from,
        {% endfor -%}
        {{ if_known("deleted_at") }} as deleted_at,
        coalesce({{ table.recorded_at }}, {{ table.occurred_at }}) as recorded_at,
        {{ known }} as known_at
    from {{ raw_rows }}
    where {{ is_known(known) }} and {{ only_selected_customers(table.customer_key) }}

),
{% if table.counts_from %}
known_parts as (

    select
        {% for column in table.columns if column != table.recorded_at and column not in table.later + table.counts_from.keys() | list -%}
            {{ column }},
        {% endfor -%}
        {% for column in table.counts_from -%}
            case when {{ is_known(column ~ "_counts_from") }} then {{ column }} end as {{ column }},
            case when {{ column }} is not null then {{ if_known(column ~ "_counts_from") }} end as {{ column }}_counts_from,
        {% endfor -%}
        {% for column in table.later -%}
            {{ later_instant(table, column) }} as {{ column }},
        {% endfor -%}
        deleted_at,
        recorded_at,
        known_at
    from source

),
{% endif %}
{{ version_steps("known_parts" if table.counts_from else "source", key, "recorded_at", content, table.customer_key) }}

select
    {% for column in table.columns if column != table.recorded_at and column not in replaced -%}
        {{ column }},
    {% endfor -%}
    {% for column, instants in table.counts_from.items() -%}
        {{ column }}_counts_from as {{ instants[0] }},
    {% endfor -%}
    version_number,
    recorded_at,
    known_at,
    superseded_at,
    withdrawn_at,
    is_appearance,
    present_until
    {%- if table.ends_at %},
    case when {{ table.ends_at }} is not null then greatest(known_at, {{ table.end_known_at }}) end as end_known_at,
    {{ earliest(["superseded_at", table.ends_at]) }} as active_until
    {%- endif %}
from versions_present
{% endmacro %}

{# an instant of what happens later to a row, or null where a build that looks back does not know of it; an end to come is known from its announcement #}
{% macro later_instant(table, column) -%}
    {%- if var("as_of") is not none and column == table.ends_at -%}
        case when {{ is_known(table.end_known_at) }} then {{ column }} end
    {%- else -%}
        {{ if_known(column) }}
    {%- endif -%}
{%- endmacro %}

{#
    The same for a table without a customer, which refers to one that has it (items of orders): parent is that table's
    name. Most rows have no clock of their own: they come with the row they refer to, stay as long as it does, and need
    no look at their neighbours.

    has_clock        the row says when it occurred, was recorded or was deleted: it counts from known_at on
    known_at         from when it is known; long ago for a row that comes with the one it refers to
#}
{% macro staged_rows_of(parent, name) %}
    {%- set raw_rows, parents = source("raw", name), source("raw", parent) -%}
    {%- if execute -%}
        {{ versions_below(declared_table(name), raw_rows, declared_table(parent), parents) }}
    {%- else -%}
        select * from {{ raw_rows }}
    {%- endif -%}
{% endmacro %}

{% macro versions_below(table, raw_rows, parent, parents) %}
    {%- set key = table.key | join(", ") -%}
    {%- set columns = table.columns | reject("equalto", table.recorded_at) | list -%}
    {%- set occurred_at = table.occurred_at -%}
    {%- set clock = "coalesce(" ~ table.recorded_at ~ ", " ~ occurred_at ~ ")" if occurred_at else table.recorded_at -%}
    {%- set same_key = [] -%}
    {%- for column in table.key -%}
        {%- do same_key.append("source." ~ column ~ " = dated." ~ column) -%}
    {%- endfor -%}
with

source as (

    select distinct
        {% for column in columns -%}
            {{ if_known(column) ~ " as " ~ column if column in table.later else column }},
        {% endfor -%}
        {{ clock }} as own_clock,
        {{ if_known("deleted_at") }} as deleted_at,
        {{ known_at(occurred_at, table.recorded_at) if occurred_at else "coalesce(" ~ clock ~ ", " ~ always() ~ ")" }} as known_at
    from {{ raw_rows }}
    where {{ only_selected_rows_of(parent.key[0], parents) }}

),

rows_with_a_clock as (

    select distinct {{ key }}
    from source
    where own_clock is not null or deleted_at is not null

),

rows_without_a_clock as (

    select source.* from source
    left join rows_with_a_clock as dated on {{ same_key | join(" and ") }}
    where dated.{{ table.key[0] }} is null

),

rows_known as (

    select source.* from source
    inner join rows_with_a_clock as dated on {{ same_key | join(" and ") }}
    where {{ is_known("source.known_at") }}

),

{{ version_steps("rows_known", key, "own_clock" if occurred_at else "known_at", columns | reject("in", table.key) | list) }}

select
    {{ columns | join(",\n    ") }},
    1 as version_number,
    known_at,
    false as has_clock,
    cast(null as timestamp) as superseded_at,
    cast(null as timestamp) as withdrawn_at
from rows_without_a_clock
union all
select
    {{ columns | join(",\n    ") }},
    version_number,
    known_at,
    true as has_clock,
    superseded_at,
    withdrawn_at
from versions_present
{% endmacro %}
