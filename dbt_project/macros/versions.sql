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
{% macro version_span(key, known_at, recorded_at) -%}
        lead({{ known_at }}) over (partition by {{ key }} order by {{ recorded_at }}) as next_known_at,
        cast(row_number() over (partition by {{ key }} order by {{ recorded_at }}) as bigint) as version_number,
        {{ known_from("deleted_at", known_at) }} as deletion_known_at
{%- endmacro %}

{#
    A row is withdrawn when its deletion is known, unless another version came before: it then counts for nothing,
    until a version without a deletion brings it back.
#}
{% macro withdrawals_marked(versions) %}
    select
        *,
        case when next_known_at is null or deletion_known_at < next_known_at then deletion_known_at end as withdrawn_at
    from {{ versions }}
{% endmacro %}

{# until when a version holds; whether its row appears with it, and from there until when the row is present #}
{% macro presence(key, recorded_at) -%}
        {{ earliest(["next_known_at", "withdrawn_at"]) }} as superseded_at,
        version_number = 1
        or lag(withdrawn_at) over (partition by {{ key }} order by {{ recorded_at }}) is not null as is_appearance,
        min(withdrawn_at) over (
            partition by {{ key }} order by {{ recorded_at }} rows between current row and unbounded following
        ) as present_until
{%- endmacro %}

{#
    The steps from the known rows of a table to its versions, for the middle of a with: copies left out, each version
    with the time for which it holds. rows is a step with known_at and deleted_at, recorded_at the column that orders the
    versions of a key, content the columns in which copies agree, customer_key the column that names the customer: each
    version then is its owner's, in pieces where customers merge. The last step is versions_present.
#}
{% macro version_steps(rows, key, recorded_at, content, customer_key=none) -%}
{%- set cut_by_owner = customer_key is not none and has_merges() -%}
copies_marked as (

    select
        *,
        {{ repeats_previous(content + ["deleted_at"], "versions") }} as is_copy
    from {{ rows }}
    window versions as (partition by {{ key }} order by {{ recorded_at }})

),

versions_spanned as (

    select
        *,
        {{ version_span(key, "known_at", recorded_at) }}
    from copies_marked
    where not is_copy

),

withdrawals_marked as (
    {{ withdrawals_marked("versions_spanned") }}
),

{{ "versions_delivered" if cut_by_owner else "versions_present" }} as (

    select
        *,
        {{ presence(key, recorded_at) }}
    from withdrawals_marked

)
{%- if cut_by_owner %},

versions_present as (
    {{ pieces_by_owner("versions_delivered", key, recorded_at, customer_key) }}
)
{%- endif -%}
{%- endmacro %}
