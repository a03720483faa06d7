{#
    Customers merge: from the instant of a merge on, what was delivered under the old key belongs to the new one. A version
    of a fact is cut where its owner changes: each piece holds from when its owner has it until the next one does. A load
    without merges compiles to the SQL of versions alone.
#}

{# whether the load has a declared table of merges with rows in it; never in a unit test, whose rows are all given #}
{% macro has_merges() %}
    {%- if not execute or model.resource_type == "unit_test" -%} {{ return(false) }} {%- endif -%}
    {%- set table = declared_tables() | selectattr("merges") | first -%}
    {%- if not table or not has_files(table.name) -%} {{ return(false) }} {%- endif -%}
    {{ return(run_query("select count(*) from (select 1 from " ~ table.rows ~ " limit 1) as first_row").columns[0].values()[0] > 0) }}
{% endmacro %}

{# a relation of the merges known by the time this build looks back from: merged_id, owner_id, merged_at #}
{% macro known_merges() %}
    {%- set table = declared_tables() | selectattr("merges") | first -%}
    (
        select distinct
            {{ table.merges.from }} as merged_id,
            {{ table.merges.into }} as owner_id,
            {{ table.recorded_at }} as merged_at
        from {{ table.rows }}
        where {{ is_known(table.recorded_at) }}
    )
{%- endmacro %}

{#
    A relation with one row per key that has merged and customer who ever owns its facts: customer_id, owner_id, and from
    when until when (null: always, never). In a chain, who comes later owns from the latest merge on the way to it.
#}
{% macro owners() %}
    (
        with recursive chains as (

            select
                merged_id as customer_id,
                owner_id,
                merged_at as owned_from,
                1 as link
            from {{ known_merges() }} as merges
            union all
            select
                chains.customer_id,
                merges.owner_id,
                greatest(chains.owned_from, merges.merged_at) as owned_from,
                chains.link + 1 as link
            from chains
            inner join {{ known_merges() }} as merges on chains.owner_id = merges.merged_id

        ),

        links as (

            select * from chains
            union all
            select
                merged_id as customer_id,
                merged_id as owner_id,
                null as owned_from,
                0 as link
            from {{ known_merges() }} as merges

        ),

        spans as (

            select
                customer_id,
                owner_id,
                owned_from,
                lead(owned_from) over (partition by customer_id order by link) as owned_until
            from links

        )

        select * from spans
        where owned_from is null or owned_until is null or owned_from < owned_until
    )
{%- endmacro %}

{# all columns of a relation but some, for a select list #}
{% macro all_but(relation, columns) -%}
    {{ adapter.dispatch("all_but")(relation, columns) }}
{%- endmacro %}

{% macro default__all_but(relation, columns) -%} {{ relation }}.* except ({{ columns | join(", ") }}) {%- endmacro %}

{% macro duckdb__all_but(relation, columns) -%} {{ relation }}.* exclude ({{ columns | join(", ") }}) {%- endmacro %}

{#
    A select of the versions in a step of version_steps, each under the customer who owns its fact, in one piece for each
    owner: the owner's when the version becomes known, and any who takes the fact over while it holds. A fact appears with
    the first piece that an owner has of it.
#}
{% macro pieces_by_owner(versions, key, recorded_at, customer_key) %}
    {%- set same_owner = ["owners.owner_id"] -%}
    {%- for column in key.split(", ") -%} {%- do same_owner.append("versions." ~ column) -%} {%- endfor -%}
    {%- set replaced = [customer_key, "known_at", "superseded_at", "withdrawn_at", "is_appearance", "present_until"] %}
    select
        {{ all_but("versions", replaced) }},
        coalesce(owners.owner_id, versions.{{ customer_key }}) as {{ customer_key }},
        {{ latest(["versions.known_at", "owners.owned_from"]) }} as known_at,
        {{ earliest(["versions.superseded_at", "owners.owned_until"]) }} as superseded_at,
        case
            when owners.owned_until is null or versions.withdrawn_at <= owners.owned_until then versions.withdrawn_at
        end as withdrawn_at,
        versions.is_appearance
        or row_number() over (
            partition by {{ same_owner | join(", ") }} order by versions.{{ recorded_at }}
        ) = 1 as is_appearance,
        {{ earliest(["versions.present_until", "owners.owned_until"]) }} as present_until
    from {{ versions }} as versions
    left join {{ owners() }} as owners on versions.{{ customer_key }} = owners.customer_id
    where
        (
            (owners.owned_from is null or versions.known_at >= owners.owned_from)
            and (owners.owned_until is null or versions.known_at < owners.owned_until)
        )
        or (
            versions.known_at < owners.owned_from
            and (versions.superseded_at is null or versions.superseded_at > owners.owned_from)
        )
{% endmacro %}

{# when a customer of the source at hand merged into another, as a column before others; nothing where the load has no merges #}
{% macro merged_at_and(customer_key, source) -%}
    {%- if has_merges() -%}
        (
            select min(merges.merged_at) from {{ known_merges() }} as merges
            where merges.merged_id = {{ source }}.{{ customer_key }}
        ) as merged_at,
    {% endif -%}
{%- endmacro %}

{# a merged customer is withdrawn as by a deletion, of every version, at the instant of the merge #}
{% macro or_merged(deletion_known_at) -%}
    {{ earliest([deletion_known_at, "merged_at"]) if has_merges() else deletion_known_at }}
{%- endmacro %}

{# the first version of a customer holds from the merge on at the latest, so that there is one to withdraw #}
{% macro known_before_merge(known_at) -%}
    {%- if not has_merges() -%} {{ known_at }}
    {%- else -%} case when version_number = 1 then {{ earliest([known_at, "merged_at"]) }} else {{ known_at }} end
    {%- endif -%}
{%- endmacro %}

{# a condition: the fact became known while its customer had not merged into another #}
{% macro and_before_merge(customer_id, known_at) -%}
    {%- if has_merges() %}
        and not exists (
            select 1 from {{ known_merges() }} as merges
            where merges.merged_id = {{ customer_id }} and merges.merged_at <= {{ known_at }}
        )
    {%- endif -%}
{%- endmacro %}

{#
    known_at of every merge, by which the data clock goes; and of the rows of customers as they were delivered, for a
    merged one's are known earlier in staging
#}
{% macro or_merges_known() %}
    {%- if has_merges() %}
    {%- set customers = declared_table("customers") %}
    union all
    select merged_at from {{ known_merges() }} as merges
    union all
    select coalesce({{ customers.recorded_at }}, {{ customers.occurred_at }})
    from {{ customers.rows }}
    where {{ only_selected_customers(customers.customer_key) }}
    {%- endif -%}
{% endmacro %}

{# who has become the owner of a customer's facts in the end, by all that is known #}
{% macro final_owner(customer_id) -%}
    {%- if not has_merges() -%} {{ customer_id }}
    {%- else -%}
        coalesce(
            (
                select max(owners.owner_id) from {{ owners() }} as owners
                where owners.customer_id = {{ customer_id }} and owners.owned_until is null
            ),
            {{ customer_id }}
        )
    {%- endif -%}
{%- endmacro %}

{#
    The orders of final owners once more, for each customer of the slice who has merged into one: two customers who turn out
    to be one are the same person before, too. The rows of a model's CTEs customers and orders are those of the slice.
#}
{% macro or_orders_of_final_owners(is_kept) %}
    {%- if has_merges() %}
    union all
    select
        merged.customer_number,
        {{ all_but("orders", ["customer_number"]) }}
    from {{ owners() }} as owners
    inner join customers as merged on owners.customer_id = merged.customer_id
    inner join {{ ref("int_customers") }} as final_owners on owners.owner_id = final_owners.customer_id
    inner join {{ ref("int_order_facts") }} as orders on final_owners.customer_number = orders.customer_number
    cross join {{ ref("int_data_clock") }} as clocks
    where owners.owned_until is null and {{ is_kept }}
    {%- endif -%}
{% endmacro %}
