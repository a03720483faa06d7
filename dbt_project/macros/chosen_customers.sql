{#
    A build may be limited to some customers, named in a Parquet file: those that new facts have touched,
    or a sample to be checked. Everything after staging sees only them. What all customers together
    decide, the clocks, then comes from the build before.
#}

{% macro of_chosen_customers(customer_id) -%}
    {%- if var("only_customers") is none -%} true
    {%- else -%} {{ customer_id }} in (select customer_id from {{ parquet_rows(var("only_customers")) }})
    {%- endif -%}
{%- endmacro %}

{# the same for a row that names an order #}
{% macro of_chosen_orders(order_id, orders) -%}
    {%- if var("only_customers") is none -%} true
    {%- else -%} {{ order_id }} in (select order_id from {{ orders }} where {{ of_chosen_customers("customer_id") }})
    {%- endif -%}
{%- endmacro %}

{# whether a feature row is written: history that the build before has, and no new fact changes, is not #}
{% macro is_made_anew(customer_id, instant) -%}
    {%- if var("earlier_split_at") is none -%} true
    {%- else -%} ({{ instant }} > {{ earlier_instant("earlier_split_at") }} or {{ is_restated(customer_id) }})
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

{% macro default__parquet_rows(path) -%} parquet.`{{ path }}` {%- endmacro %}

{% macro duckdb__parquet_rows(path) -%} read_parquet('{{ path }}') {%- endmacro %}
