{#
    A build may be limited to some customers, named in a Parquet file: those that new facts have touched,
    or a sample to be checked. Everything after staging sees only them. What all customers together
    decide, the clocks, then comes from the build before.
#}

{% macro only_selected_customers(customer_id) -%}
    {%- if var("only_customers") is none -%} true
    {%- else -%} {{ customer_id }} in (select customer_id from {{ parquet_rows(var("only_customers")) }})
    {%- endif -%}
{%- endmacro %}

{# the same for a row that refers by its key to another raw table, which names the customer #}
{% macro only_selected_rows_of(key, rows) -%}
    {%- if var("only_customers") is none -%} true
    {%- else -%} {{ key }} in (select {{ key }} from {{ rows }} where {{ only_selected_customers("customer_id") }})
    {%- endif -%}
{%- endmacro %}

{#
    The feature rows that are written: not the history that the build before has and no new fact changes.
    (Sorted again, for the look-up of a customer may lose the order.)
#}
{% macro made_anew(rows) -%}
    {%- if var("earlier_split_at") is none -%} {{ rows }}
    {%- else -%}
        select * from ({{ rows }}) as made
        where event_timestamp > {{ earlier_instant("earlier_split_at") }} or {{ is_restated("customer_id") }}
        order by customer_id, event_timestamp
    {%- endif -%}
{%- endmacro %}

{% macro is_restated(customer_id) -%}
    {%- if var("earlier_split_at") is none -%} true
    {%- else -%} {{ customer_id }} in (select customer_id from {{ parquet_rows(var("only_customers")) }} where is_restated)
    {%- endif -%}
{%- endmacro %}

{% macro parquet_rows(path) -%}
    {{ adapter.dispatch("parquet_rows")(path) }}
{%- endmacro %}

{% macro default__parquet_rows(path) -%} parquet.`{{ spark_path(path) }}` {%- endmacro %}

{% macro duckdb__parquet_rows(path) -%}
    read_parquet('{{ exact_name(path) }}', hive_partitioning = false)
{%- endmacro %}
